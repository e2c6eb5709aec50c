"""HV1xx: what keeps a text from being read."""

from __future__ import annotations

import unicodedata

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec


class UnexpectedToken(Diagnostic):
    """HV101."""

    code = "HV101"
    title = "unexpected {found}"
    label = "expected {expected}"
    help = "{hint}"
    why = (
        "The text does not go on as the grammar has it: a value is missing, a comma, an `=`, or a bracket is left over."
    )
    bad = spec(encoder="8x2 8d2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    found: str
    expected: str
    hint: str = ""


class UnexpectedCharacter(Diagnostic):
    """HV102."""

    code = "HV102"
    title = "a character that has no place here: {character}"
    label = "not part of the language"
    help = "{hint}"
    why = (
        "Keys, symbols and block lists are written in ASCII letters and digits. Letters and digits of other scripts "
        "look alike and are not the same; control characters usually come from a damaged or a binary file."
    )
    bad = spec(encoder="8x2, 8d2, 4х1")
    good = spec(encoder="8x2, 8d2, 4x1")

    found: str

    @property
    def character(self) -> str:
        """The character with its code point and name."""
        name = unicodedata.name(self.found, "")
        shown = f"`{self.found}` " if self.found.isprintable() else ""
        return f"{shown}U+{ord(self.found):04X}{' ' + name if name else ''}"

    @property
    def hint(self) -> str:
        """What the character was probably meant to be."""
        if self.found.isdigit() and not self.found.isascii():
            return "write it with the ASCII digits 0 to 9"
        twin = LOOK_ALIKES.get(self.found)
        if twin:
            return f"it looks like the ASCII letter `{twin}`; write that"
        if not self.found.isprintable() and not self.found.isspace():
            return "save the file as plain UTF-8 text"
        return "take it out" if self.found.isascii() else "only comments and strings may hold it"


# The letters of other scripts that are drawn like the operators x, r, d, m and their neighbours.
LOOK_ALIKES = dict(zip("хХхѵгԁмасеорѕіјкΧχ×", "xxxvrdmaceopsijkxxx", strict=True))


class UnclosedBrace(Diagnostic):
    """HV103."""

    code = "HV103"
    title = "this brace is never closed"
    label = "opened here"
    help = "close the section with `}}`"
    why = "A section runs from `{` to its `}`. Without the `}` whatever follows would belong to the section."
    bad = "hvae 1\ndata { dataset = digits\n"
    good = spec()


class UnmatchedBrace(Diagnostic):
    """HV104."""

    code = "HV104"
    title = "this brace closes nothing"
    label = "no section is open here"
    help = "take it out"
    why = "Every `}` closes one `{`."
    bad = spec() + "}\n"
    good = spec()


class MissingVersion(Diagnostic):
    """HV105."""

    code = "HV105"
    title = "the first statement is not `hvae 1`"
    label = "before this"
    help = "begin the file with `hvae 1`"
    why = "The first statement names the version of the language, so that later versions read today's files as meant."
    bad = spec(top="")
    good = spec()


class UnsupportedVersion(Diagnostic):
    """HV106."""

    code = "HV106"
    title = "version {number} of the language is not known"
    label = "this compiler reads version 1"
    help = "write `hvae 1`, or update hvaedsl"
    why = "A compiler reads only the versions of the language that it knows."
    bad = spec(top="hvae 2")
    good = spec()

    number: int


class NotText(Diagnostic):
    """HV107."""

    code = "HV107"
    title = "this file is not UTF-8 text: {reason}"
    help = "save it as UTF-8"
    why = "A spec is UTF-8 text, with or without a byte order mark. UTF-16 and binary files are not read."
    bad = ""  # cannot be shown as text; the test writes UTF-16
    good = spec()

    reason: str


class FileTooLarge(Diagnostic):
    """HV108."""

    code = "HV108"
    title = "this file has {size:,} bytes; a spec has at most {limit:,}"
    help = "is it a spec? specs of the published models have under 1,000 bytes"
    why = "The size is limited before the file is opened, so that a wrong path costs no time."
    bad = ""  # the test writes a large file
    good = spec()

    size: int
    limit: int


class NestingTooDeep(Diagnostic):
    """HV109."""

    code = "HV109"
    title = "brackets are nested deeper than {limit}"
    label = "the first bracket beyond the limit; the rest of the file was not read"
    help = "no model needs such depth: is a closing bracket missing?"
    why = "Nesting is limited before anything is parsed, so that no input can exhaust the compiler."
    bad = spec(encoder="(" * 65 + "8x2" + ")" * 65 + ", 8d2, 4x1")
    good = spec(encoder="2*(8x1), 8d2, 4x1")

    limit: int


class MalformedNumber(Diagnostic):
    """HV110."""

    code = "HV110"
    title = "`{text}` is no number and no block"
    label = "{reason}"
    help = "{hint}"
    why = (
        "Numbers are `384`, `1_000`, `250k`, `1M`, `1.5`, `2e-4`; blocks are digits, one lower-case operator, and a "
        "count: `32x11`, `32r12`, `32d2`, `16m8`."
    )
    bad = spec(encoder="8X2, 8d2, 4x1")
    good = spec()

    text: str
    reason: str
    hint: str = ""


class MisplacedStatement(Diagnostic):
    """HV111."""

    code = "HV111"
    title = "`{statement}` does not belong here"
    label = "{reason}"
    help = "{hint}"
    why = (
        "`hvae`, `extends` and `let` stand at the top level, outside of every section; a file has one `hvae`, which is "
        "first, and one `extends` at most."
    )
    bad = spec(model="let n = 3  width = 16  latent = 4")
    good = spec(top="hvae 1\nlet n = 3")

    statement: str
    reason: str
    hint: str


class UnknownOperator(Diagnostic):
    """HV112."""

    code = "HV112"
    title = "unknown operator {operator}; {article} {stack} takes {operators}"
    label = "not an operator"
    help = "{hint}"
    why = (
        "`RxN` is N blocks at resolution R with weights of their own, `RrN` one block applied N times. An encoder also "
        "takes `RdK`, a block and then pooling by K; a decoder `RmS`, a block that mixes in the state of resolution S."
    )
    bad = spec(encoder="8q2, 8d2, 4x1")
    good = spec()

    operator: str
    stack: str

    @property
    def article(self) -> str:
        """The article of the stack's name."""
        return "an" if self.stack == "encoder" else "a"

    @property
    def operators(self) -> str:
        """The operators of this stack."""
        return "x, r, d" if self.stack == "encoder" else "x, r, m"

    @property
    def hint(self) -> str:
        """The other stack, where the operator is its own; else what there is."""
        if self.operator == "m":
            return "`m` mixes a state in and belongs to a decoder"
        if self.operator == "d":
            return "`d` pools and belongs to an encoder"
        last = "`RdK` a block and pooling by K" if self.stack == "encoder" else "`RmS` a block that mixes S in"
        return f"`RxN` is N blocks at R, `RrN` one block applied N times, {last}"


class MissingCount(Diagnostic):
    """HV113."""

    code = "HV113"
    title = "`{text}` lacks {missing}"
    label = "a number belongs here"
    help = "for example `{example}`"
    why = "Every operator takes a number: blocks, applications, the factor of a pooling, or the source of a mix-in."
    bad = spec(encoder="8x, 8d2, 4x1")
    good = spec()

    text: str
    missing: str
    example: str


class UnclosedString(Diagnostic):
    """HV114."""

    code = "HV114"
    title = "this string is never closed"
    label = 'no `"` on the rest of the line'
    help = 'close it with `"`; a quote inside is written `\\"`'
    why = "A string begins and ends on one line."
    bad = 'hvae 1\nextends "vdvae.hvae\n'
    good = spec()


class NumberTooLarge(Diagnostic):
    """HV115."""

    code = "HV115"
    title = "a number of {digits} digits is too large"
    label = "at most {limit} digits"
    help = "is it a slip of the hand?"
    why = "No quantity of a model needs so many digits; a limit keeps arithmetic on it cheap."
    bad = spec(model="width = 1000000000000000000  latent = 4")
    good = spec()

    digits: int
    limit: int


class TooManyErrors(Diagnostic):
    """HV116."""

    code = "HV116"
    title = "more than {limit} syntax errors; the rest is not shown"
    label = "reading stopped here"
    help = "is this a spec?"
    why = "A file that is no spec at all would otherwise drown the first, telling error."
    bad = "hvae 1\n" + ("width = = " * 10 + "\n") * 11
    good = spec()

    limit: int


class TooManyTokens(Diagnostic):
    """HV117."""

    code = "HV117"
    title = "this file has more than {limit:,} words, numbers and signs"
    label = "the first one beyond the limit; the file was not read"
    help = "repeat with `k*A`, `RxN` and `RrN` in place of writing entries out"
    why = (
        "The longest published spec has about a hundred words, numbers and signs. They are counted before anything is "
        "parsed, so that no file can keep the compiler busy."
    )
    bad = ""  # the test writes a long file
    good = spec(encoder="1_000*8x1, 8d2, 4x1", decoder="4x1, 8m4, 8x1000")

    limit: int


class UnknownEscape(Diagnostic):
    """HV118."""

    code = "HV118"
    title = "`{escape}` means nothing in a string"
    label = 'a backslash stands before `"`, `\\`, n or t'
    help = "write `\\\\` for a backslash; paths may have `/` on every system"
    why = (
        'In a string `\\"` is a quote, `\\\\` a backslash, `\\n` a line break and `\\t` a tab; nothing else is escaped.'
    )
    bad = spec(data='dataset = digits  path = "D:\\faces"')
    good = spec(data='dataset = digits  path = "D:\\\\faces"')

    escape: str


class NothingThere(Diagnostic):
    """HV119."""

    code = "HV119"
    title = "there is no spec in this file"
    label = "no more than white space and comments"
    help = "`hvaedsl new NAME` writes a small whole spec to begin with"
    why = "A file without a single statement says nothing that could be wrong: what a spec needs is not listed for it."
    bad = "# the next model\n"
    good = spec()
