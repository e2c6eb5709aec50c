"""Real specs, damaged as an editor, a bad merge or a paste damages them, from a seed."""

from __future__ import annotations

import random
import re
from pathlib import Path

from hvaedsl.shipped import shipped

_GOLDENS = Path(__file__).parents[1] / "goldens"
_PIECE = re.compile(r"\s+|[A-Za-z_$][\w$]*|[0-9][\w.]*|\"[^\"\n]*\"|#[^\n]*|.")
_INSERTED = (
    *("\n", " ", "\r", "\r\n", "\t", ",", ";", "=", "{", "}", "(", ")", "[", "]", "*", "@", ":", "$", "-", ".", "/"),
    *('"', "'", "\\", "#", "//", "/*", "*/", "${n}", "$n", "\u200b", "\u00a0", "\ufeff", "\u0445", "\0", "é", "x"),
    *("8", "32x2", "8d2", "4m1", "8rn", "8r$", "32 x 11", "192b1d2", "(8x1)*2", "@g", "2*", "1.5", "none", "let n = 3"),
    *("hvae 1", 'extends "vdvae.hvae"', "data/faces", "'a'", "widht = 3", "foo { a = 1 }", "# hvae: ignore[HV502]"),
    *("+", "2*$n + 1", "8r($n - 1)", "7/2", "$base", "let s = (8x1, 8x2)", "$s", "20 epochs", "a.b", "- 1"),
    *("{other: 2}", "$m*2", "(2*3)*8x1", "let m = $n", "let base = 2"),
    *("block, sample, block", "widths = {2: 32, 4: 64}", '"C:\\new"', "steps", "}}", "model {", "= =", ",,", "8X2"),
)


def texts() -> list[str]:
    """The shipped specs, and the snippets of the rules."""
    files = [*sorted(shipped("specs").rglob("*.hvae")), *sorted(_GOLDENS.glob("*.hvae"))]
    return [file.read_text(encoding="utf-8") for file in files]


def damaged(text: str, chance: random.Random) -> str:
    """The text after one to four edits: pieces or characters deleted, doubled, swapped, inserted; lines joined."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        text, _ = edited_once(text, chance)
    return text


def edited_once(text: str, chance: random.Random) -> tuple[str, int]:
    """The text after one edit, and the number of places that it changes."""
    pieces = list(text) if chance.random() < 0.25 else _PIECE.findall(text)
    if not pieces:
        return chance.choice(_INSERTED), 1
    at, other = chance.randrange(len(pieces)), chance.randrange(len(pieces))

    places = 1
    match chance.randrange(8):
        case 0:
            del pieces[at]
        case 1:
            pieces.insert(at, pieces[at])
        case 2:
            pieces[at], pieces[other] = pieces[other], pieces[at]
            places = 2
        case 3:
            pieces[at] = pieces[other]
        case 4:
            begin, end = sorted((at, min(at + chance.randrange(12), len(pieces))))
            if chance.random() < 0.5:
                del pieces[begin:end]
            else:
                pieces[begin:begin] = pieces[begin:end]
            places = 2  # both ends of the range
        case 5:
            breaks = [index for index, piece in enumerate(pieces) if "\n" in piece]
            if breaks:
                pieces[chance.choice(breaks)] = chance.choice((" ", "", "\r"))
        case 6:
            blanks = [index for index, piece in enumerate(pieces) if piece.isspace()]
            if blanks:
                pieces[chance.choice(blanks)] = ""
        case _:
            pieces.insert(at, chance.choice(_INSERTED))
    return "".join(pieces), places
