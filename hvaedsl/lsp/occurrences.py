"""The definition and uses of constants and labels in one text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hvaedsl.lsp.placed_tokens import PlacedToken

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Name:
    """A constant, or a label in one list (`scope` is the dotted key of the list, or `let NAME`)."""

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


def occurrences(tokens: Iterable[PlacedToken]) -> Iterator[Occurrence]:
    """Every occurrence of a constant or a label, in the order of the text."""
    for token in tokens:
        if token.role == "label":
            yield Occurrence(Name("label", token.text, token.dotted), token.start, token.end)
        elif token.role == "let":
            yield Occurrence(Name("constant", token.text), token.start, token.end, defines=True)
        elif token.role in ("reference", "block") or token.kind == "QUANTITY":
            for found in _REFERENCE.finditer(token.text):
                start = token.start + found.start(1)
                yield Occurrence(Name("constant", found[1]), start, start + len(found[1]))


def occurrence_at(tokens: Iterable[PlacedToken], offset: int) -> Occurrence | None:
    """The occurrence at an offset, which may be on its `$` or `@`."""
    found = [item for item in occurrences(tokens) if item.start - 1 <= offset <= item.end]
    exact = [item for item in found if item.start <= offset]
    return next(iter([*exact, *(item for item in found if not item.defines)]), None)
