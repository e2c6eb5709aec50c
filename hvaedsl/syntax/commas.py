"""Commas without a value: they are reported, and reading continues without them."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, rewriting
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import UnexpectedToken
from hvaedsl.syntax.builder import token_span
from hvaedsl.syntax.lalr import Token

_ATOMS = ("BLOCK", "INTEGER", "FLOAT", "SUFFIXED", "STRING", "NAME", "REFERENCE", "DOTTED", "QUANTITY", "JUNK")
_STARTS = frozenset((*_ATOMS, "OPERATOR", "MINUS", "LSQB", "LPAR"))
_ENDS = frozenset((*_ATOMS, "RSQB", "RPAR"))
_AFTER_LIST = frozenset(("$END", "KEY", "RBRACE", "RSQB", "RPAR", "HVAE", "LET", "EXTENDS"))


def without_surplus_commas(source: Source, tokens: Sequence[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens without commas at the end of a list and repeated commas, and their diagnostics."""
    kept: list[Token] = []
    found: list[Diagnostic] = []
    brackets: list[str] = []
    at = 0
    while at < len(tokens):
        end = at
        while end < len(tokens) and tokens[end].type == "COMMA":
            end += 1
        if end == at:
            kept.append(tokens[at])
            _track(brackets, tokens[at].type)
            at += 1
            continue

        # A run of commas behind a value: all are surplus at the end of a list, all but one before another value.
        run = tokens[at:end]
        following = tokens[end].type if end < len(tokens) else "$END"
        at_end = following in _AFTER_LIST and not (following == "KEY" and brackets[-1:] == ["LPAR"])  # bits = 5
        behind_value = bool(kept) and kept[-1].type in _ENDS
        surplus = run if at_end else run[1:] if following in _STARTS else []
        if behind_value and surplus:
            found.append(_surplus(source, surplus, at_end=at_end))
            run = run[: len(run) - len(surplus)]
        kept += run
        at = end
    return kept, found


def _track(brackets: list[str], kind: str) -> None:
    if kind in ("LPAR", "LSQB", "LBRACE"):
        brackets.append(kind)
    elif kind in ("RPAR", "RSQB", "RBRACE") and brackets:
        brackets.pop()


def _surplus(source: Source, commas: Sequence[Token], *, at_end: bool) -> Diagnostic:
    spans = [token_span(source, comma) for comma in commas]
    plural = "s" * (len(commas) > 1)
    return UnexpectedToken(
        span=spans[0],
        found="`,` at the end of a list" if at_end else "second `,`",
        expected="another value after it" if at_end else "a value",
        hint=f"remove the comma{plural}, or add a value after {'it' if at_end else 'the first one'}",
        fix=Fix(f"remove the comma{plural}", tuple(rewriting(span, "") for span in spans), safe=True),
    )
