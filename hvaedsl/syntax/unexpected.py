"""What to say where the grammar cannot go on: one table of token names, and the cases that deserve better words."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from lark import Token

from hvaedsl.catalog.syntax import UnexpectedToken
from hvaedsl.diagnostic import Edit, Fix, Label, listing
from hvaedsl.span import Source
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
    source: Source, accepted: AbstractSet[str], token: Token, last: Token | None, brackets: Sequence[Token]
) -> UnexpectedToken:
    """The diagnostic of a token that the parser does not accept after `last`; `brackets` are the open ones."""
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
    if wants_statement and token.type in _VALUES | {"LPAR"} and last is not None and "COMMA" in accepted:
        if token.type == "NAME":
            hint = f"a key is followed by `=`, a section by `{{`: is it `{token} = ...`?"
        else:
            hint = "the values of a list have commas between them"
        return UnexpectedToken(
            span=span, found=found, expected="`,`, another key, or the end of the section", hint=hint
        )
    if wants_statement:
        hint = f"write `{_shorten(token)} = ...` or `{_shorten(token)} {{ ... }}`" if token.type == "NAME" else ""
        return UnexpectedToken(span=span, found=found, expected="`key = value` or `section { ... }`", hint=hint)
    words = [word for name, word in _PLAIN.items() if name in accepted]
    opened = (Label(token_span(source, brackets[-1]), "opened here"),) if brackets else ()
    return UnexpectedToken(span=span, found=found, expected=listing(words), secondary=opened)


def _shorten(token: Token) -> str:
    text = str(token).split("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."
