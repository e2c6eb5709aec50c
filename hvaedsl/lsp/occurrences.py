"""Where a constant or a label is written: its definition and its uses in one text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hvaedsl.lsp.words import Word

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Name:
    """A constant, or a label of one stack (`scope` is the dotted key of the stack)."""

    kind: Literal["constant", "label"]
    text: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place of a name, without `$` and `@`, in code points."""

    name: Name
    start: int
    end: int
    defines: bool = False


def occurrences(words: Iterable[Word]) -> Iterator[Occurrence]:
    """Every place where a constant or a label is written, in the order of the text."""
    for word in words:
        if word.role == "label":
            yield Occurrence(Name("label", word.text, word.dotted), word.start, word.end)
        elif word.role == "let":
            yield Occurrence(Name("constant", word.text), word.start, word.end, defines=True)
        elif word.role in ("reference", "block"):
            for found in _REFERENCE.finditer(word.text):
                start = word.start + found.start(1)
                yield Occurrence(Name("constant", found[1]), start, start + len(found[1]))


def occurrence_at(words: Iterable[Word], offset: int) -> Occurrence | None:
    """The name at an offset; `$` and `@` belong to it."""
    found = [item for item in occurrences(words) if item.start - 1 <= offset <= item.end]
    exact = [item for item in found if item.start <= offset]
    return next(iter([*exact, *(item for item in found if not item.defines)]), None)
