"""The diagnostic of an unexpected token: a table of token names, and the cases with a better explanation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from hvaedsl.diagnostics.diagnostic import Edit, Fix, Label, insertion, listing, nearest, removal, writing
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.syntax import UnexpectedToken
from hvaedsl.syntax.builder import token_span
from hvaedsl.syntax.lalr import END, Token

# Tokens that are a value by themselves, and what else a list of such values contains.
_ENTRIES = frozenset(("BLOCK", "INTEGER", "FLOAT", "SUFFIXED", "STRING", "REFERENCE", "DOTTED", "QUANTITY"))
_STARTS = _ENTRIES | {"OPERATOR"}
_OPERATORS = frozenset(("PLUS", "MINUS", "STAR", "SLASH"))
_IN_LIST = _STARTS | _OPERATORS | {"COMMA", "AT", "NAME", "LPAR", "RPAR"}
_MAP_KEYS = ("INTEGER", "NAME", "DOTTED")
# `[train.kl]` or `[[train]]`, on a line of its own.
_HEADER = re.compile(r"\[{1,2}([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\]{1,2}(?=[ \t]*(?:[\r\n#]|\Z))")
_AFTER_KEYWORD = {"extends": ("STRING",), "hvae": ("INTEGER",), "let": ("KEY", "NAME")}
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
    "AT": "`@`",
    "KEY": "a key",
    "STRING": "a string in quotes",
    "INTEGER": "an integer",
    "NAME": "a name",
    "HVAE": "`hvae`",
    "LET": "`let`",
    "EXTENDS": "`extends`",
    END: "the end of the file",
}


def unexpected(
    source: Source,
    accepted: AbstractSet[str],
    tokens: Sequence[Token],
    at: int,
    brackets: Sequence[Token],
    sections: Sequence[Token],
) -> UnexpectedToken:
    """The diagnostic of the token at an index, which the parser does not accept.

    `brackets` are the open brackets of a value, `sections` the keys of the open sections.
    """
    token, last = tokens[at], tokens[at - 1] if at else None
    span = token_span(source, token)
    found = "the end of the file" if token.type == END else f"`{_shorten(token)}`"
    wants_value = {"BLOCK", "STRING", "FLOAT"} <= accepted or {"BLOCK", "JUNK"} <= accepted
    wants_statement = {"KEY", "LET"} <= accepted

    # A value is expected. An operator without one behind it is itself the mistake.
    if wants_value and last is not None and last.type in _OPERATORS and token.type not in _OPERATORS:
        at_operator = token_span(source, last)
        return UnexpectedToken(
            span=at_operator,
            found=f"`{last}` at the end of a value",
            expected="a value after it",
            ends_early=token.type == END,
        )
    if wants_value and token.type == "PLUS":
        sign = Fix("remove it", (removal(span),))
        return UnexpectedToken(span=span, found=found, expected="a value", hint="remove it", fix=sign)
    if wants_value:
        return UnexpectedToken(span=span, found=found, expected="a value", ends_early=token.type == END)

    # The entries of a map outside of braces.
    if token.type == "COLON" and last is not None and last.type in _MAP_KEYS and at + 1 < len(tokens):
        return _map_without_braces(source, tokens, at, span, found)

    if last is not None and last.type == "LET" and token.type == "REFERENCE":
        sign = Fix("remove the `$`", (Edit(source.span(span.start, span.start + 1), ""),))
        expected = "the name of a constant, without the `$` of its uses"
        return UnexpectedToken(span=span, found=found, expected=expected, hint=sign.title, fix=sign)
    if last is not None and last.type == "LET" and token.type == "NAME":
        return _let_without_equal(source, tokens, at, span, found)
    if last is not None and last.type == "LET" and token[:1].isdigit():
        hint = "a name starts with a letter"
        return UnexpectedToken(span=span, found=found, expected="the name of a constant", hint=hint)

    # A statement is expected, or the value before could continue.
    continues = wants_statement and last is not None and "COMMA" in accepted
    end = "the end of the section" if sections else "the end of the file"
    expected = f"`,`, another key, or {end}" if continues else "`key = value` or `section { ... }`"
    if wants_statement and token.type == "LSQB" and (header := _HEADER.match(source.text, span.start)) is not None:
        return _section_header(source.span(*header.span()), header[1].split("."), expected)
    if wants_statement and token.type == "NAME":
        return _name_alone(source, tokens, at, span, found, expected, sections)
    if continues and token.type == "LPAR" and last is not None and last.type == "BLOCK" and last[-1].isalpha():
        between = source.span(token_span(source, last).end, span.start)
        hint = f"the argument of an operator follows it without a space: `{_shorten(last)}(...)`"
        joined = Fix("remove the space", (Edit(between, ""),)) if between.text.isspace() else None
        return UnexpectedToken(span=span, found=found, expected=expected, hint=hint, fix=joined)
    touches = last is not None and token_span(source, last).end == span.start
    if continues and touches and token.type == "REFERENCE" and at > 1 and tokens[at - 2].type == "AT":
        hint = "a label is a plain name, without constants"
        return UnexpectedToken(span=span, found=found, expected="the end of the label", hint=hint)
    if continues and touches and token.type == "REFERENCE" and last is not None and last.type == "INTEGER":
        star = Fix(f"write `{last}*{token}`", (insertion(source, span.start, "*"),))
        return UnexpectedToken(span=span, found=found, expected=expected, hint=star.title, fix=star)
    if continues:
        places = _missing_commas(source, tokens, at)
        title = "insert a comma before it" if len(places) == 1 else "insert the missing commas"
        fix = Fix(title, tuple(insertion(source, place, ",") for place in places))
        return UnexpectedToken(
            span=span,
            found=found,
            expected=expected,
            hint=_after_value(token),
            fix=fix if token.type in _STARTS and places else None,
        )
    if wants_statement:
        hint, equal = "", None
        if len(sections) > 1 and last is not None and last.type == "LBRACE":
            hint = f"a map is a value and needs `=`: `{_shorten(sections[-1])} = {{ ... }}`"
            if token.type == "INTEGER":
                equal = Fix("insert the `=`", (insertion(source, token_span(source, sections[-1]).end, " ="),))
        return UnexpectedToken(span=span, found=found, expected=expected, hint=hint, fix=equal)

    # Anything else: name the tokens that the grammar accepts.
    words = [word for name, word in _PLAIN.items() if name in accepted]
    opened = (Label(token_span(source, brackets[-1]), "opened here"),) if brackets else ()
    return UnexpectedToken(span=span, found=found, expected=listing(words), secondary=opened)


def _section_header(span: Span, names: Sequence[str], expected: str) -> UnexpectedToken:
    """The diagnostic of a section header in brackets, of a section inside another one or of a table of TOML."""
    *outer, name = names
    inside = f" inside `{' { '.join(outer)} {{ ...{' }' * len(outer)}`" if outer else ""
    return UnexpectedToken(
        span=span, found=f"`{_cut(span.text)}`", expected=expected, hint=f"write `{name} {{ ... }}`{inside}"
    )


def _missing_commas(source: Source, tokens: Sequence[Token], at: int) -> list[int]:
    """The offsets in the list, from the token at an index on, where one value follows another without a comma."""
    places = []
    for before, token in pairwise(tokens[at - 1 :]):
        if token.type not in _IN_LIST:
            break
        ends = before.type in _ENTRIES or before.type in ("RPAR", "NAME")
        if ends and (token.type in _STARTS or (token.type == "LPAR" and before.type != "NAME")):
            places.append(token_span(source, before).end)
    return places


def _map_without_braces(source: Source, tokens: Sequence[Token], at: int, span: Span, found: str) -> UnexpectedToken:
    """The diagnostic of the first `:` of a map without braces, with a fix if its values are single tokens."""
    end = at + 1
    while _is_entry([token.type for token in tokens[end + 1 : end + 4]]):
        end += 4
    values = tokens[at + 1 : end + 1 : 4]

    hint, fix = "a map has braces", None
    if end < len(tokens) and all(token.type in (*_ENTRIES, "NAME") for token in values):
        entries = token_span(source, tokens[at - 1]).to(token_span(source, tokens[end]))
        if "#" not in entries.text and entries.line == entries.end_line:
            fix = writing(entries, f"{{{entries.text}}}")
            hint = f"a map has braces: `{{{entries.text}}}`"
    return UnexpectedToken(span=span, found=found, expected="`{` before a map", hint=hint, fix=fix)


def _is_entry(types: Sequence[str]) -> bool:
    """Whether tokens of these types continue a map: a comma, a key and a colon."""
    return len(types) == 3 and types[0] == "COMMA" and types[1] in _MAP_KEYS and types[2] == "COLON"


def _let_without_equal(source: Source, tokens: Sequence[Token], at: int, span: Span, found: str) -> UnexpectedToken:
    """The diagnostic of the name of a constant that no `=` follows."""
    number = next((str(token) for token in tokens[at + 1 : at + 2] if token.type == "INTEGER"), "")
    added = insertion(source, span.end, " =" if number else " = 3")
    way = Fix(f"write `let {_shorten(tokens[at])} = {number or '3'}`", (added,))
    return UnexpectedToken(
        span=span,
        found=found,
        expected="the name of a constant and `=`",
        hint=f"{way.title}, with an integer",
        fix=way if number else None,
        suggestions=() if number else (way,),
    )


def _name_alone(
    source: Source,
    tokens: Sequence[Token],
    at: int,
    span: Span,
    found: str,
    expected: str,
    sections: Sequence[Token],
) -> UnexpectedToken:
    """The diagnostic of a name where a statement starts, without the `=` or `{` of one."""
    name, fix = _shorten(tokens[at]), None
    version = re.fullmatch(r"hvae([0-9]+)", name)
    near = nearest(name, ("extends", "hvae", "let"))
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if version is not None and at == 0:
        fix = writing(span, f"hvae {version[1]}")
    elif not sections and near is not None and following is not None and following.type in _AFTER_KEYWORD[near]:
        fix = writing(span, near)
    elif sections and following is not None and following.type in _ENTRIES:
        fix = Fix(f"write `{name} = {_shorten(following)}`", (insertion(source, span.end, " ="),))

    hint = fix.title if fix is not None else "a key is followed by `=`, a section by `{`"
    before = tokens[at - 1].type if at else ""
    if re.fullmatch(r"[xrdm][0-9]*", name) and before in ("REFERENCE", "RPAR"):  # `$r x2`, `($r/2)x1`
        fix, hint = None, "the resolution of an entry is a number; only what follows its operator can be an expression"
    elif (
        sections
        and before in ("INTEGER", "REFERENCE", "FLOAT")
        and ((unit := nearest(name, ("epochs", "minutes"))) is not None)
    ):
        fix, hint = (writing(span, unit), f"write `{unit}`") if before != "FLOAT" else (None, f"{unit} are whole")
    return UnexpectedToken(span=span, found=found, expected=expected, hint=hint, fix=fix)


def _after_value(token: Token) -> str:
    """The help for a token after a complete value."""
    hints = {
        "AT": "an entry has at most one label",
        "RPAR": "no parenthesis is open here",
        "RSQB": "no bracket is open here",
        "EQUAL": "a key has one `=`",
    }
    return hints.get(token.type, "separate the values of a list with commas")


def _shorten(token: Token) -> str:
    return _cut(str(token).split("\n")[0])


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
