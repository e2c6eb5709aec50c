"""HV102: characters that are not part of the language, and what they may stand for."""

from __future__ import annotations

import unicodedata

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec


class UnexpectedCharacter(Diagnostic):
    """HV102."""

    code = "HV102"
    title = "unexpected character {character}"
    label = "not part of the language"
    help = "{hint}"
    why = (
        "Keys, symbols and block lists consist of ASCII letters and digits. Letters and digits of other scripts may "
        "look the same but are different characters; control characters usually come from a damaged or binary file."
    )
    bad = spec(encoder="8x2, 8d2, 4х1")
    good = spec(encoder="8x2, 8d2, 4x1")

    found: str
    multiplies: bool = False  # whether it is a multiplication sign between two numbers
    is_alone: bool = False  # whether it is a quotation mark without another one behind it

    @property
    def character(self) -> str:
        """The character with its code point and name."""
        name = unicodedata.name(self.found, "")
        shown = f"`{self.found}` " if self.found.isprintable() else ""
        return f"{shown}U+{ord(self.found):04X}{' ' + name if name else ''}"

    @property
    def hint(self) -> str:
        """A replacement for the character, if one is known."""
        if self.found == "$":
            return "write the name of a constant after it, as in `$n`"
        if self.found.isdecimal() and not self.found.isascii():
            return "write the ASCII digits 0 to 9"
        if self.found.isnumeric() and not self.found.isascii():
            return "write the number in ASCII digits; a power is a product, as in `4*4`"
        if self.found in "%^":
            return "arithmetic is addition, subtraction, multiplication and exact division of whole numbers"
        if self.multiplies:
            return "write `*`"
        twin = LOOK_ALIKES.get(self.found)
        if twin:
            return f"it looks like the ASCII letter `{twin}`; write that letter"
        if mark := ascii_mark(self.found):
            alone = "; a string has one at each end" if self.is_alone else f"; write `{mark}`"
            return f"it looks like `{mark}`{alone}"
        if is_invisible(self.found):
            return "remove it; it is invisible in most editors"
        if self.found.isspace():
            return "write a plain space"
        if not self.found.isprintable():
            return "save the file as plain UTF-8 text"
        return "remove it" if self.found.isascii() else "remove it; only comments and strings may contain it"


def ascii_mark(letter: str) -> str:
    """The ASCII mark that a character looks like, as word processors and PDF files have it; empty if there is none."""
    if letter in DASHES:
        return "-"
    if letter in DOUBLE_QUOTES or letter in SINGLE_QUOTES:
        return '"'
    if letter == "∗":
        return "*"
    wide = unicodedata.normalize("NFKC", letter) if letter > "\x7f" else ""
    return wide if len(wide) == 1 and wide in _MARKS else ""


def is_invisible(letter: str) -> bool:
    """Whether an editor shows nothing for a character that is not a space: zero-width and formatting characters."""
    return unicodedata.category(letter) == "Cf" or letter in _INVISIBLE or "\ufe00" <= letter <= "\ufe0f"


_INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # joiners and fillers outside of that category

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
DOUBLE_QUOTES = "“”„‟«»〝〞＂"
SINGLE_QUOTES = "‘’‚‛‹›"
_MARKS = "=,(){}[]:*+/$@"  # those that have wide forms of the same meaning

# Letters of other scripts that look like ASCII letters of operators and keys.
LOOK_ALIKES = dict(zip("хХхѵгԁмасеорѕіјкΧχ×", "xxxvrdmaceopsijkxxx", strict=True))
