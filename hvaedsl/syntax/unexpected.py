"""What to say where the grammar cannot go on: one table of token names, and the cases that deserve better words."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from lark import Token

from hvaedsl.diagnostics.diagnostic import Edit, Fix, Label, inserting, listing
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import UnexpectedToken
from hvaedsl.syntax.builder import token_span

# Tokens that can only begin a value: where one of them may stand, a value is expected.
_VALUES = frozenset(("BLOCK", "INTEGER", "FLOAT", "SUFFIXED", "STRING", "NAME", "REFERENCE", "MINUS", "LSQB", "JUNK"))
_PLAIN = {
    "COMMA": "`,`",
    "EQUAL": "`=`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COLON": "`:`",
    "STAR": "`*`",
    "AT": "`@`",
    "KEY": "a key",
    "STRING": "a string in quotes",
    "INTEGER": "a whole number",
    "NAME": "a name",
    "HVAE": "`hvae`",
    "LET": "`let`",
    "EXTENDS": "`extends`",
    "$END": "the end of the file",
}


def unexpected(
    source: Source,
    accepted: AbstractSet[str],
    token: Token,
    last: Token | None,
    brackets: Sequence[Token],
    sections: Sequence[Token],
) -> UnexpectedToken:
    """The diagnostic of a token that the parser does not accept after `last`.

    `brackets` are the open ones of a value, `sections` the keys of the open sections.
    """
    span = token_span(source, token)
    found = "the end of the file" if token.type == "$END" else f"`{_shorten(token)}`"
    wants_value = {"BLOCK", "STRING", "FLOAT"} <= accepted or {"BLOCK", "JUNK"} <= accepted
    wants_statement = {"KEY", "LET"} <= accepted
    if wants_value and last is not None and last.type == "COMMA":
        comma = token_span(source, last)
        fix = Fix("take the comma out", (Edit(comma, ""),), safe=True)
        return UnexpectedToken(
            span=comma,
            found="`,` at the end of a list",
            expected="another value after it",
            hint="take the comma out, or write the value that it announces",
            fix=fix,
        )
    if wants_value:
        return UnexpectedToken(span=span, found=found, expected="a value")
    if wants_statement and last is not None and "COMMA" in accepted:
        end = "the end of the section" if sections else "the end of the file"
        fix = Fix("write a comma before it", (inserting(source, token_span(source, last).end, ","),))
        return UnexpectedToken(
            span=span,
            found=found,
            expected=f"`,`, another key, or {end}",
            hint=_after_value(token),
            fix=fix if token.type in _VALUES - {"NAME", "JUNK", "LSQB", "MINUS"} else None,
        )
    if wants_statement:
        hint = f"write `{_shorten(token)} = ...` or `{_shorten(token)} {{ ... }}`" if token.type == "NAME" else ""
        if len(sections) > 1 and not hint and last is not None and last.type == "LBRACE":
            hint = f"a value, such as a map, stands behind `=`: `{_shorten(sections[-1])} = {{ ... }}`"
        return UnexpectedToken(span=span, found=found, expected="`key = value` or `section { ... }`", hint=hint)
    words = [word for name, word in _PLAIN.items() if name in accepted]
    opened = (Label(token_span(source, brackets[-1]), "opened here"),) if brackets else ()
    return UnexpectedToken(span=span, found=found, expected=listing(words), secondary=opened)


def _after_value(token: Token) -> str:
    """What a token behind a complete value was probably meant for."""
    if token.type == "NAME":
        return f"a key is followed by `=`, a section by `{{`: is it `{_shorten(token)} = ...`?"
    hints = {
        "STAR": "a repetition of a repetition has parentheses: `2*(3*A)`",
        "AT": "a label belongs to one entry, and an entry has one label",
        "RPAR": "no parenthesis is open here",
        "RSQB": "no bracket is open here",
        "EQUAL": "one `=` belongs to one key",
    }
    return hints.get(token.type, "the values of a list have commas between them")


def _shorten(token: Token) -> str:
    text = str(token).split("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."
