"""The tokens of a text, each with its role and the section and key that it is in.

The parser drops a statement that it cannot read; here nothing is dropped. A half-written line is read as far as it
goes, so that completion, rename and colors work on it. Like the parser, this refuses a text with too many tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import is_not
from typing import Literal, NamedTuple

from hvaedsl.elaborate.schema import SCHEMA, TOP_LEVEL
from hvaedsl.syntax.lalr import Token
from hvaedsl.syntax.lexing import MAX_TOKENS, lex

Role = Literal[
    "keyword",  # hvae, let, extends
    "section",
    "key",
    "let",  # the name that a `let` defines
    "argument",  # the name of a call's argument
    "function",
    "symbol",
    "label",  # behind @
    "reference",  # $n
    "block",  # also its part before the parenthesis of `32r($n - 1)`
    "number",
    "string",
    "base",  # the string of an `extends`
    "name",  # a name at the start of a statement that is not a key yet
    "mark",  # punctuation
    "junk",
]
Awaits = Literal["statement", "value", "more", "label", "base", "let", "version"]

_OPEN = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
_CLOSE = {"RPAR", "RSQB", "RBRACE"}
OPERATORS = frozenset(("PLUS", "MINUS", "STAR", "SLASH"))
_CONTINUE = {"EQUAL", "COMMA", "COLON", *OPERATORS}  # a value continues after these
_NUMBERS = {"INTEGER", "FLOAT", "SUFFIXED", "QUANTITY"}
_PLAIN: dict[str, Role] = {
    "REFERENCE": "reference",
    "BLOCK": "block",
    "OPERATOR": "block",
    "STRING": "string",
    "DOTTED": "symbol",
    "JUNK": "junk",
}
_STEP = 128  # tokens between two states of a walk that are remembered
_REMEMBERED = 3  # walks: of the text, and of its part before the cursor
LET = "let "  # begins the key of the tokens in the value of a `let`


class PlacedToken(NamedTuple):
    """A token with its offsets in code points and its dotted section and key.

    `key` is empty outside values, and `let NAME` in the value of a `let`.
    """

    kind: str  # the grammar's name of the token
    role: Role
    text: str
    start: int
    end: int
    section: str
    key: str = ""

    @property
    def dotted(self) -> str:
        """The dotted key whose value holds the token; for a key or section, its own."""
        own = self.text if self.role in ("key", "section", "name") else self.key
        return f"{self.section}.{own}" if self.section and own and not own.startswith(LET) else own


@dataclass(frozen=True, slots=True)
class Cursor:
    """What may be written at an offset, and the part of it that is already there."""

    awaits: Awaits
    section: str
    key: str  # dotted; empty outside a value, `let NAME` in that of a `let`
    value_start: int  # where the value begins
    before: tuple[PlacedToken, ...]  # the tokens of the value, without the unfinished one
    brackets: tuple[str, ...]  # closing brackets of those open in the value, outermost first
    written: str  # the unfinished token
    start: int
    end: int


_recent: tuple[_Walked, ...] = ()  # the newest first; replaced as a whole, so that threads need no lock


def placed_tokens(text: str) -> tuple[PlacedToken, ...]:
    """All tokens of a text; none if it has too many."""
    return tuple(_walked(_tokens(text) or [])[0])


def comment_at(text: str, offset: int) -> str | None:
    """The part of a comment from its `#` to the offset; None outside of comments."""
    tokens = _tokens(text[:offset])
    if tokens is None:
        return None
    end = tokens[-1].end_pos or 0 if tokens else 0
    line = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    begin = text.find("#", max(end, line), offset)
    return None if begin < 0 else text[begin:offset]


def cursor_at(text: str, offset: int) -> Cursor | None:
    """Determine from the text before an offset what may be written there; None after too many tokens."""
    tokens = _tokens(text[:offset])
    if tokens is None:
        return None

    # The token that ends at the offset is still being written: it is what the completion replaces.
    unfinished = tokens[-1] if tokens and tokens[-1].end_pos == offset and _is_wordlike(tokens[-1]) else None
    read, walk = _walked(tokens[:-1] if unfinished else tokens)

    awaits = walk.awaits
    start = offset if unfinished is None or unfinished.start_pos is None else unfinished.start_pos
    glued = unfinished is not None and len(tokens) > 1 and tokens[-2].end_pos == start  # as the `$` of `32r$` is
    if awaits == "more" and not walk.brackets and not glued and (unfinished or text[offset - 1 : offset].isspace()):
        awaits = "statement"  # the value is complete, and a new token starts

    key = walk.key if awaits in ("value", "more", "label") else ""
    section = ".".join(walk.sections)
    return Cursor(
        awaits=awaits,
        section=section,
        key=f"{section}.{key}" if section and key and not key.startswith(LET) else key,
        value_start=walk.value_start,
        before=tuple(read[bisect_left(read, walk.value_start, key=lambda token: token.start) :]) if key else (),
        brackets=tuple(walk.brackets),
        written="" if unfinished is None else str(unfinished),
        start=start,
        end=_word_end(text, offset),
    )


def _tokens(text: str) -> list[Token] | None:
    """The tokens of a text; None if there are too many."""
    found = lex(text)
    return found if len(found) <= MAX_TOKENS else None


@dataclass(frozen=True)
class _Walked:
    """Tokens that were read, and the states of the walk before every `_STEP`th of them."""

    tokens: list[Token]
    placed: list[PlacedToken]
    states: list[_Walk]


def _walked(tokens: list[Token]) -> tuple[list[PlacedToken], _Walk]:
    """The placed tokens, and the walk behind them. Tokens that were placed before are not placed again."""
    global _recent
    known, same = _Walked([], [], []), 0
    for item in _recent:
        differ = map(is_not, item.tokens, tokens)
        count = next((at for at, different in enumerate(differ) if different), min(len(item.tokens), len(tokens)))
        if count > same:
            known, same = item, count

    # The role of a token depends on the kind of the next one, so the last equal token is placed again.
    step = max(0, same - 1) // _STEP
    states = known.states[: step + 1] or [_Walk()]
    walk, placed = states[-1].copy(), known.placed[: step * _STEP]
    for at in range(step * _STEP, len(tokens), _STEP):
        if at > step * _STEP:
            states.append(walk.copy())
        placed += walk.all(tokens, at, min(at + _STEP, len(tokens)))
    if len(tokens) > _STEP:
        _recent = (_Walked(tokens, placed, states), *_recent[: _REMEMBERED - 1])
    return placed, walk


def _is_wordlike(token: Token) -> bool:
    return token.type not in {*_OPEN, *_CLOSE, *_CONTINUE, "AT"} and token.type != "STRING"


def _word_end(text: str, offset: int) -> int:
    while offset < len(text) and (text[offset].isalnum() or text[offset] == "_"):
        offset += 1
    return offset


@dataclass
class _Walk:
    """Reads tokens one by one; `awaits` says what may come next."""

    sections: list[str] = field(default_factory=list)
    brackets: list[str] = field(default_factory=list)
    key: str = ""
    value_start: int = 0
    awaits: Awaits = "statement"

    def copy(self) -> _Walk:
        """A walk that stays as it is while this one reads on."""
        return _Walk(self.sections.copy(), self.brackets.copy(), self.key, self.value_start, self.awaits)

    def all(self, tokens: list[Token], start: int, end: int) -> Iterator[PlacedToken]:
        """Place the tokens between two indices."""
        last = len(tokens) - 1
        for at in range(start, end):
            yield self._placed(tokens[at], tokens[at + 1].type if at < last else "")

    def _placed(self, token: Token, following: str) -> PlacedToken:
        role = self._role(token, following)
        start, end = token.start_pos or 0, token.end_pos or 0
        key = "" if role in ("key", "section", "let", "name", "keyword", "base") else self.key
        return PlacedToken(token.type, role, str(token), start, end, ".".join(self.sections[: self._depth(role)]), key)

    def _depth(self, role: Role) -> int:
        """The number of open sections that hold a token; the name of a section is outside of it."""
        return len(self.sections) - 1 if role == "section" else len(self.sections)

    def _role(self, token: Token, following: str) -> Role:
        kind = str(token.type)
        if kind == "KEY":
            return self._key(token, following)
        if kind in ("HVAE", "LET", "EXTENDS") and not self.brackets and self.awaits in ("statement", "more"):
            keywords: dict[str, Awaits] = {"HVAE": "version", "LET": "let", "EXTENDS": "base"}
            self._end_value()
            self.awaits = keywords[kind]
            return "keyword"

        if kind in _OPEN or kind in _CLOSE:
            return self._bracket(kind)
        if kind in _CONTINUE:
            if kind == "EQUAL" and self.awaits != "value":
                self.value_start = token.end_pos or 0
            self.awaits = "value"
            return "mark"
        if kind == "AT":
            self.awaits = "label"
            return "mark"
        return self._operand(kind, following)

    def _key(self, token: Token, following: str) -> Role:
        if self.awaits == "let":
            self.key, self.brackets = f"{LET}{token}", []
            return "let"

        name, path = str(token), ".".join(self.sections)
        opens = following == "LBRACE"
        if ")" in self.brackets and not opens and name not in SCHEMA.get(path, ()):
            return "argument"

        self._end_value()
        if self.sections and name in TOP_LEVEL and f"{path}.{name}" not in SCHEMA:
            self.sections = []  # the section before it has not been closed yet
        if opens:
            self.sections.append(name)
            return "section"
        self.key = name
        return "key"

    def _bracket(self, kind: str) -> Role:
        if kind in _OPEN:
            if kind == "LBRACE" and not self.key:
                self.awaits = "statement"
            else:
                self.brackets.append(_OPEN[kind])
                self.awaits = "value"
        elif self.brackets and (kind != "RBRACE" or "}" in self.brackets):
            self.brackets.pop()
            self.awaits = "more"
        else:
            self._end_value()
            if kind == "RBRACE" and self.sections:
                self.sections.pop()
        return "mark"

    def _operand(self, kind: str, following: str) -> Role:
        awaited, self.awaits = self.awaits, "more" if self.key else "statement"
        if kind == "NAME":
            if awaited == "label":
                return "label"
            if awaited == "let":
                self.awaits = "let"
                return "let"
            if awaited == "value" or (awaited == "more" and self.brackets):
                return "function" if following == "LPAR" else "symbol"
            self._end_value()
            return "name"
        if awaited == "base" and kind in ("STRING", "JUNK"):
            return "base"
        return "number" if kind in _NUMBERS else _PLAIN.get(kind, "junk")

    def _end_value(self) -> None:
        self.key, self.brackets, self.awaits = "", [], "statement"
