"""Values of a spec in words, for diagnostics."""

from __future__ import annotations

from hvaedsl.syntax import ast


def describe(value: ast.Value) -> str:
    """The value in words, for `found ...`."""
    match value:
        case ast.Integer():
            return f"the integer {value.value:,}"
        case ast.Float():
            return f"the number {value.value:g}"
        case ast.String():
            return "a string"
        case ast.Symbol():
            return f"the word `{value.name}`"
        case ast.Reference():
            return f"the constant `${value.name}`"
        case ast.Epochs():
            return "a number of epochs"
        case ast.Minutes():
            return "a number of minutes"
        case ast.Block() | ast.BlockOf():
            return "a block entry"
        case ast.Repeated():
            return "a repetition"
        case ast.Labeled():
            return "a labeled entry"
        case ast.Group():
            return "a group in parentheses"
        case ast.Negative():
            return "a negative number" if isinstance(value.value, (ast.Integer, ast.Float)) else "a minus sign"
        case ast.Arithmetic():
            return "an expression"
        case ast.Call():
            return f"a call of `{value.function.text}`"
        case ast.List():
            return "a list"
        case ast.Map():
            return "a map"
        case ast.Invalid():
            return "no value"


def is_hyphenated(value: ast.Value) -> bool:
    """Whether a value is words with `-` or `/` between them, which read as arithmetic: `fashion-mnist`."""
    match value:
        case ast.Arithmetic(operator="-" | "/"):
            return is_hyphenated(value.left) and is_hyphenated(value.right)
        case ast.Symbol() | ast.Integer() | ast.Block():
            return True
        case _:
            return False
