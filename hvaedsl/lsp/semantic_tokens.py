"""Semantic tokens: the kind of every token and comment, and of each part of a block entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol.types import SemanticTokens, SemanticTokensLegend, SemanticTokenTypes

from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.placed_tokens import PlacedToken, Role

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
TYPES = tuple(dict.fromkeys([*_KINDS.values(), SemanticTokenTypes.Operator, SemanticTokenTypes.Comment]))
LEGEND = SemanticTokensLegend([kind.value for kind in TYPES], [])
_BLOCK = re.compile(r"([0-9]+)([a-z]+)(\$\w+|[0-9]*)")
_COMMENT = re.compile(r"#[^\r\n]*")


@dataclass(frozen=True, slots=True)
class ColoredRange:
    """A range of one line and its kind."""

    start: int
    end: int
    kind: SemanticTokenTypes


def semantic_tokens(analyzed: AnalyzedText) -> SemanticTokens:
    """Return all tokens as the protocol packs them: line and column relative to the previous one, length, kind."""
    data: list[int] = []
    line = column = 0
    for item in colored_ranges(analyzed):
        at, end = analyzed.lines.position(item.start), analyzed.lines.position(item.end)
        if at.line != end.line:
            continue  # a string that contains a lone CR

        data += [
            at.line - line,
            at.character - (column if at.line == line else 0),
            analyzed.lines.length(item.start, item.end),
            TYPES.index(item.kind),
            0,
        ]
        line, column = at.line, at.character
    return SemanticTokens(data)


def colored_ranges(analyzed: AnalyzedText) -> Iterator[ColoredRange]:
    """Yield the tokens and comments in the order of the text."""
    end = 0
    for token in analyzed.tokens:
        yield from _comments(analyzed.text, end, token.start)
        yield from _parts(token)
        end = token.end
    yield from _comments(analyzed.text, end, len(analyzed.text))


def _comments(text: str, start: int, end: int) -> Iterator[ColoredRange]:
    for found in _COMMENT.finditer(text, start, end):
        yield ColoredRange(*found.span(), SemanticTokenTypes.Comment)


def _parts(token: PlacedToken) -> Iterator[ColoredRange]:
    found = _BLOCK.fullmatch(token.text) if token.role == "block" else None
    if found is not None:
        last = SemanticTokenTypes.Variable if found[3].startswith("$") else SemanticTokenTypes.Number
        kinds = (SemanticTokenTypes.Number, SemanticTokenTypes.Operator, last)
        for part, kind in enumerate(kinds, 1):
            if found[part]:
                yield ColoredRange(token.start + found.start(part), token.start + found.end(part), kind)
    elif token.text in ("*", "@"):
        yield ColoredRange(token.start, token.end, SemanticTokenTypes.Operator)
    elif token.role in _KINDS:
        yield ColoredRange(token.start, token.end, _KINDS[token.role])
