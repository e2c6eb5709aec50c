"""Tokens of a text; in the language server, with those of similar texts reused.

An editor asks for the tokens of a text after every key, and of the part before the cursor. The tokens before a change
are those of the text before it, and so are the tokens behind it, at other offsets. Commands read every text once, and
remember none: comparing texts takes as long as reading them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.lalr import Token

MAX_TOKENS = 20_000
_SHORTEST = 400  # characters of a text that is remembered; a shorter one is quickly read again

# Reading can depend on the text behind a token: white space and comments before `=` or `{` make a name a key, `1.5e` is
# no number unless `+2` follows, and `3 epochs` or `3 minutes` is one token unless it is a number and a key. That is at
# most the next two tokens and the character behind them; one more is read again for safety.
_LOOKAHEAD = 4
_BYTE_ORDER_MARK = "\ufeff"


class _Lexed:
    """A text with its tokens. If it has more than `MAX_TOKENS`, one more than that is there."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens


_remembered = 0  # the number of texts
_recent: tuple[_Lexed, ...] = ()  # the newest first; replaced as a whole, so that threads need no lock


def remember_texts(number: int = 6) -> None:
    """Reuse the tokens of the last texts from now on: of a chain of bases, and of the part before the cursor."""
    global _remembered
    _remembered = number


def lex(text: str) -> list[Token]:
    """The tokens of a text, up to `MAX_TOKENS` and one more. The list is the caller's own; the tokens are shared."""
    global _recent
    if not _remembered or len(text) < _SHORTEST:
        return list(_anew(text, 0))
    recent = _recent
    known = next((item for item in recent if item.text == text), None)
    if known is None:
        nearest = max(recent, key=lambda item: _common(item.text, text), default=None)
        known = _Lexed(text, _changed(nearest, text) if nearest is not None else list(_anew(text, 0)))
        _recent = (known, *recent[: _remembered - 1])
    return known.tokens.copy()


def _anew(text: str, start: int) -> Iterator[Token]:
    """The tokens from an offset on, without any others; their offsets are those in the whole text."""
    for count, token in enumerate(hvae_parser().lex(text[start:] if start else text)):
        yield _moved(token, start) if start else token
        if count == MAX_TOKENS:
            return


def _changed(before: _Lexed, text: str) -> list[Token]:
    """The tokens of a text, with those of another text where they are equal."""
    if _BYTE_ORDER_MARK in text[1:] or len(before.tokens) > MAX_TOKENS:
        return list(_anew(text, 0))  # reading from the middle would take it for the start

    # Keep the tokens before the first difference, but those that may depend on it.
    same = _common_prefix(before.text, text)
    kept = max(0, bisect_left(before.tokens, same, key=_end) - _LOOKAHEAD)
    tokens = before.tokens[:kept]

    # Read until a token starts where one started before, behind the last difference.
    distance = len(text) - len(before.text)
    equal_from = len(text) - _common_suffix(before.text, text, same)
    for token in _anew(text, _end(tokens[-1]) if tokens else 0):
        start = _start(token)
        if start >= equal_from:
            at = bisect_left(before.tokens, start - distance, key=_start)
            if at < len(before.tokens) and _start(before.tokens[at]) == start - distance:
                rest = before.tokens[at:]
                tokens += rest if not distance else [_moved(item, distance) for item in rest]
                break
        tokens.append(token)
    del tokens[MAX_TOKENS + 1 :]
    return tokens


def _moved(token: Token, distance: int) -> Token:
    return Token(token.type, str(token), token.start_pos + distance, token.end_pos + distance)


def _start(token: Token) -> int:
    return token.start_pos


def _end(token: Token) -> int:
    return token.end_pos


def _common(one: str, other: str) -> int:
    """The number of equal characters at the start and the end of two texts."""
    same = _common_prefix(one, other)
    return same + _common_suffix(one, other, same)


def _common_prefix(one: str, other: str) -> int:
    """The number of equal characters at the start of two texts."""
    return _longest(min(len(one), len(other)), lambda count, more: one[count:more] == other[count:more])


def _common_suffix(one: str, other: str, prefix: int) -> int:
    """The number of equal characters at the end of two texts, behind their common prefix."""

    def equal(count: int, more: int) -> bool:
        return one[len(one) - more : len(one) - count] == other[len(other) - more : len(other) - count]

    return _longest(min(len(one), len(other)) - prefix, equal)


def _longest(most: int, equal: Callable[[int, int], bool]) -> int:
    """The largest count up to `most` for which everything is equal. `equal` compares the part between two counts."""
    low, high = 0, most  # everything up to `low` is equal
    while low < high:
        middle = (low + high + 1) // 2
        if equal(low, middle):
            low = middle
        else:
            high = middle - 1
    return low
