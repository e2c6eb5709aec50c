"""Paths that look the same and differ: a letter with an accent is one character of Unicode or two."""

from __future__ import annotations

import os
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class OtherForm(NamedTuple):
    """A path that is there, with a help that names it in escapes; its text is that of a path that is not there."""

    path: Path
    help: str


def other_form(path: Path) -> OtherForm | None:
    """Find what has the name of a missing path in another Unicode form, as files copied from macOS often have.

    None if the path is there, or nothing of that name is.
    """
    if str(path).isascii():
        return None
    found, rename = Path(path.anchor), ""
    for part in path.parts[len(found.parts) :]:
        step = found / part
        with suppress(OSError, ValueError):
            if not os.path.lexists(step) and (name := _neighbor(found, part)) is not None:
                rename = rename or f"mv {_escaped(found / name)} {_escaped(step)}"
                step = found / name
        found = step
    if not rename or not os.path.lexists(found):
        return None
    return OtherForm(
        found,
        f"{found} is there, written with other characters of Unicode that look the same; write its name in that form, "
        f"or rename it: {rename}",
    )


def _neighbor(folder: Path, name: str) -> str | None:
    """The name in a folder that is another in the composed form of Unicode (NFC)."""
    composed = unicodedata.normalize("NFC", name)
    names = sorted(other.name for other in folder.iterdir())
    return next((other for other in names if unicodedata.normalize("NFC", other) == composed), None)


def _escaped(path: Path) -> str:
    r"""A path as a word for bash and zsh, with \u for what is not ASCII, which shows how the two forms differ."""
    text = "".join(
        letter if letter.isascii() else f"\\u{ord(letter):04x}" if ord(letter) < 2**16 else f"\\U{ord(letter):08x}"
        for letter in str(path).replace("\\", "\\\\").replace("'", "\\'")
    )
    return f"$'./{text}'" if text.startswith("-") else f"$'{text}'"
