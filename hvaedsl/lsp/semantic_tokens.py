"""Semantic tokens: the kind of every token and comment, and of each part of a block entry.

The names of lists and of definitions have modifiers, which themes may style: the TextMate grammar cannot know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from lsprotocol.types import SemanticTokenModifiers, SemanticTokens, SemanticTokensLegend, SemanticTokenTypes

from hvaedsl.elaborate.constants import BASE
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.placed_tokens import LET, OPERATORS, PlacedToken, Role

_KINDS: dict[Role, SemanticTokenTypes] = {
    "keyword": SemanticTokenTypes.Keyword,
    "section": SemanticTokenTypes.Namespace,
    "key": SemanticTokenTypes.Property,
    "let": SemanticTokenTypes.Variable,
    "argument": SemanticTokenTypes.Parameter,
    "function": SemanticTokenTypes.Function,
    "symbol": SemanticTokenTypes.EnumMember,
    "label": SemanticTokenTypes.Decorator,
    "reference": SemanticTokenTypes.Variable,
    "number": SemanticTokenTypes.Number,
    "string": SemanticTokenTypes.String,
    "base": SemanticTokenTypes.String,
}
_MORE = (SemanticTokenTypes.Operator, SemanticTokenTypes.Macro, SemanticTokenTypes.Comment)
TYPES = tuple(dict.fromkeys([*_KINDS.values(), *_MORE]))
_NUMBERS = {kind: number for number, kind in enumerate(TYPES)}
LIST = "list"  # a modifier of ours, which the manifest of the VS Code extension describes
MODIFIERS = (SemanticTokenModifiers.Definition.value, LIST)
LEGEND = SemanticTokensLegend([kind.value for kind in TYPES], list(MODIFIERS))
_OPERATORS = (*OPERATORS, "AT")
_BLOCK = re.compile(r"([0-9]+)([a-z]+)(\$\w+|[0-9]*)")
_COMMENT = re.compile(r"#[^\r\n]*")


class ColoredRange(NamedTuple):
    """A range of one line and its kind."""

    start: int
    end: int
    kind: SemanticTokenTypes
    modifiers: tuple[str, ...] = ()


def semantic_tokens(analyzed: AnalyzedText) -> SemanticTokens:
    """Return all tokens as the protocol packs them: line and column relative to the previous one, length, kind."""
    data: list[int] = []
    line = column = 0
    lines = analyzed.lines
    for start, end, kind, modifiers in colored_ranges(analyzed):
        at, character = lines.place(start)
        if end > lines.end_of(at):
            continue  # a string that contains a lone CR

        data += (at - line, character - (column if at == line else 0), lines.length(start, end), _NUMBERS[kind], 0)
        if modifiers:
            data[-1] = sum(1 << MODIFIERS.index(modifier) for modifier in modifiers)
        line, column = at, character
    return SemanticTokens(data)


def colored_ranges(analyzed: AnalyzedText) -> Iterator[ColoredRange]:
    """Yield the tokens and comments in the order of the text."""
    end = 0
    lists = _lists(analyzed)
    for token in analyzed.tokens:
        yield from _comments(analyzed.text, end, token.start)
        yield from _parts(token, lists)
        end = token.end
    yield from _comments(analyzed.text, end, len(analyzed.text))


def _lists(analyzed: AnalyzedText) -> frozenset[str]:
    """The names of lists, also of those whose definition is half written; a text without names is not parsed."""
    if not any(token.role in ("let", "reference") for token in analyzed.tokens):
        return frozenset()
    begun = {token.key.removeprefix(LET) for token in analyzed.tokens if token.role == "block" and token.key[:4] == LET}
    return frozenset((*analyzed.constants.lists, *begun))


def _comments(text: str, start: int, end: int) -> Iterator[ColoredRange]:
    if text.find("#", start, end) < 0:
        return
    for found in _COMMENT.finditer(text, start, end):
        yield ColoredRange(*found.span(), SemanticTokenTypes.Comment)


@lru_cache(maxsize=1024)
def _block_parts(text: str) -> tuple[tuple[int, int, SemanticTokenTypes], ...]:
    """The parts of a block, with their offsets in it; none for another token that is read as a block."""
    found = _BLOCK.fullmatch(text)
    if found is None:
        return ()
    last = SemanticTokenTypes.Variable if found[3].startswith("$") else SemanticTokenTypes.Number
    kinds = (SemanticTokenTypes.Number, SemanticTokenTypes.Operator, last)
    return tuple((*found.span(part), kind) for part, kind in enumerate(kinds, 1) if found[part])


def _parts(token: PlacedToken, lists: frozenset[str]) -> Iterator[ColoredRange]:
    name = token.text.removeprefix("$")
    if token.role == "block" and (parts := _block_parts(token.text)):
        for start, end, kind in parts:
            yield ColoredRange(token.start + start, token.start + end, kind)
    elif token.kind in _OPERATORS:
        yield ColoredRange(token.start, token.end, SemanticTokenTypes.Operator)
    elif token.role == "reference" and name == BASE:
        yield ColoredRange(token.start, token.end, SemanticTokenTypes.Macro)
    elif token.role in _KINDS:
        defines = (SemanticTokenModifiers.Definition.value,) if token.role == "let" else ()
        is_list = (LIST,) if token.role in ("let", "reference") and name in lists else ()
        yield ColoredRange(token.start, token.end, _KINDS[token.role], (*defines, *is_list))
