"""Semantic tokens: every token and comment with its part in the language, a block entry letter by letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol.types import SemanticTokens, SemanticTokensLegend, SemanticTokenTypes

from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.words import Role, Word

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
class Coloured:
    """A stretch of one line and its kind."""

    start: int
    end: int
    kind: SemanticTokenTypes


def semantic_tokens(analysed: Analysed) -> SemanticTokens:
    """All tokens, as the protocol packs them: line and column from the token before, length, kind, no modifiers."""
    data: list[int] = []
    line = column = 0
    for item in coloured(analysed):
        at, end = analysed.lines.position(item.start), analysed.lines.position(item.end)
        if at.line != end.line:
            continue  # a string with a lone CR in it
        data += [
            at.line - line,
            at.character - (column if at.line == line else 0),
            analysed.lines.length(item.start, item.end),
            TYPES.index(item.kind),
            0,
        ]
        line, column = at.line, at.character
    return SemanticTokens(data)


def coloured(analysed: Analysed) -> Iterator[Coloured]:
    """Words and comments in the order of the text."""
    end = 0
    for word in analysed.words:
        yield from _comments(analysed.text, end, word.start)
        yield from _parts(word)
        end = word.end
    yield from _comments(analysed.text, end, len(analysed.text))


def _comments(text: str, start: int, end: int) -> Iterator[Coloured]:
    for found in _COMMENT.finditer(text, start, end):
        yield Coloured(*found.span(), SemanticTokenTypes.Comment)


def _parts(word: Word) -> Iterator[Coloured]:
    found = _BLOCK.fullmatch(word.text) if word.role == "block" else None
    if found is not None:
        last = SemanticTokenTypes.Variable if found[3].startswith("$") else SemanticTokenTypes.Number
        kinds = (SemanticTokenTypes.Number, SemanticTokenTypes.Operator, last)
        for part, kind in enumerate(kinds, 1):
            if found[part]:
                yield Coloured(word.start + found.start(part), word.start + found.end(part), kind)
    elif word.text in ("*", "@"):
        yield Coloured(word.start, word.end, SemanticTokenTypes.Operator)
    elif word.role in _KINDS:
        yield Coloured(word.start, word.end, _KINDS[word.role])
