"""The tokens of a text, with the comments, blank lines and suppressions that the parser ignores."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hvaedsl.diagnostics.span import Source
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.suppression import codes_in

_LINE_BREAK = re.compile(r"\r\n?|\n")
_TRIVIA = re.compile(r"#[^\r\n]*|\r\n?|\n")
END = "$END"
# The kind of a `-` before a value; one between two values is a MINUS.
SIGN = "SIGN"
_NUMBERS = ("INTEGER", "FLOAT", "SUFFIXED", "QUANTITY")
_ENDS_VALUE = frozenset((*_NUMBERS, "BLOCK", "DOTTED", "NAME", "REFERENCE", "STRING", "RPAR", "RSQB", "RBRACE"))


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment from its `#`, without trailing white space."""

    text: str
    own_line: bool  # nothing is before it on its line
    blank_before: bool  # the line above it is empty


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One token, with the comments between it and the token before; the last one, `END`, is empty."""

    kind: str
    text: str
    start: int  # code points from the start of the source
    line: int  # 1-based; a lone carriage return also ends a line
    comments: tuple[Comment, ...]
    blank_before: bool  # the line above it, or above its last comment's line, is empty
    suppressed: frozenset[str] = frozenset()  # the codes that a comment on its line suppresses


def lexemes(source: Source) -> list[Lexeme]:
    """All tokens of a source without syntax errors."""
    read = list(_read(source))
    return [
        Lexeme(item.kind, item.text, item.start, item.line, item.comments, item.blank_before, codes)
        for item, codes in zip(read, _suppressed(read), strict=True)
    ]


def _read(source: Source) -> Iterator[Lexeme]:
    end, line, before = 0, 1, ""
    for token in hvae_parser().lex(source.text):
        between = source.text[end : token.start_pos]
        line += len(_LINE_BREAK.findall(between))
        kind = SIGN if token.type == "MINUS" and before not in _ENDS_VALUE else token.type
        yield Lexeme(kind, str(token), token.start_pos, line, *_trivia(between, first=end == 0))
        end, before = token.end_pos, token.type

    between = source.text[end:]
    line += len(_LINE_BREAK.findall(between))
    yield Lexeme(END, "", len(source.text), line, *_trivia(between, first=end == 0))


def _trivia(between: str, *, first: bool) -> tuple[tuple[Comment, ...], bool]:
    """The comments between two tokens, and whether the line above the second token is empty."""
    comments: list[Comment] = []
    breaks = 1 if first else 0
    for found in _TRIVIA.finditer(between):
        if found[0].startswith("#"):
            comments.append(Comment(found[0].rstrip(), own_line=breaks > 0, blank_before=breaks > 1))
            breaks = 0
        else:
            breaks += 1
    return tuple(comments), breaks > 1


def _suppressed(read: list[Lexeme]) -> Iterator[frozenset[str]]:
    """The codes suppressed on the line of each token. A suppression inside a string counts too, as it does for lint."""
    lines: defaultdict[int, set[str]] = defaultdict(set)
    for item, after in pairwise(read):
        if item.kind == "STRING":
            lines[item.line] |= codes_in(item.text)
        if after.comments and not after.comments[0].own_line:
            lines[item.line] |= codes_in(after.comments[0].text)
    for item in read:
        yield frozenset(lines[item.line]) if item.line in lines else frozenset()
