"""The tokens of a text, up to limits that no spec reaches, so that no input can exhaust the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.limits import NestingTooDeep, TooManyTokens
from hvaedsl.diagnostics.span import Source
from hvaedsl.syntax.builder import token_span
from hvaedsl.syntax.commas import without_surplus_commas
from hvaedsl.syntax.lalr import END, Token
from hvaedsl.syntax.lexing import MAX_TOKENS, lex

MAX_NESTING = 64
PAIRS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
OPEN, CLOSE = frozenset(PAIRS), frozenset(PAIRS.values())
STARTS = frozenset(("KEY", "HVAE", "LET", "EXTENDS"))  # of a statement
_OPERATORS = frozenset(("PLUS", "MINUS", "STAR", "SLASH"))


def tokens_of(source: Source, text: str, diagnostics: list[Diagnostic]) -> list[Token]:
    """The tokens of the repaired text, without surplus commas, up to a limit that is reported."""
    tokens, surplus = without_surplus_commas(source, list(_limited(source, text, diagnostics)))
    diagnostics += surplus
    return tokens


def _limited(source: Source, text: str, diagnostics: list[Diagnostic]) -> Iterator[Token]:
    """The tokens, until there are too many of them, or brackets and operators are nested too deep.

    Each further operator of an expression is a level of its own: the tree of `1+1+1+...` is as deep as its operators.
    """
    operators = [0]  # in the open expression of each open bracket
    for count, token in enumerate(lex(text)):
        kind = token.type
        if count == MAX_TOKENS:
            diagnostics.append(TooManyTokens(span=token_span(source, token), limit=MAX_TOKENS))
            return

        if kind in _OPERATORS:
            operators[-1] += 1
        elif kind in OPEN:
            operators.append(0)
        elif kind in CLOSE and len(operators) > 1:
            operators.pop()
        elif kind == "COMMA" or kind in STARTS:
            operators[-1] = 0
        deeper = kind in _OPERATORS or kind in OPEN
        if deeper and len(operators) - 1 + sum(max(0, many - 1) for many in operators) > MAX_NESTING:
            one: Literal["bracket", "operator"] = "bracket" if kind in OPEN else "operator"
            diagnostics.append(NestingTooDeep(span=token_span(source, token), limit=MAX_NESTING, one=one))
            return
        yield token


def end_token(source: Source) -> Token:
    end = len(source.text.rstrip())
    return Token(END, "", end, end)
