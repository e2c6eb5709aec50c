"""Arithmetic where a block list has its entries: what was probably meant, and how it is written."""

from __future__ import annotations

from hvaedsl.diagnostics.additions import at_top_level
from hvaedsl.diagnostics.constants import ArithmeticInList
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Span
from hvaedsl.diagnostics.syntax import UnexpectedToken
from hvaedsl.elaborate.arithmetic import whole_number
from hvaedsl.elaborate.constants import Constants, free_name
from hvaedsl.syntax import ast


def misread_arithmetic(value: ast.Arithmetic, constants: Constants) -> tuple[Diagnostic, ...]:
    """The mistakes of an expression in the place of an entry."""
    right = value.right
    is_count = isinstance(right, (ast.Integer, ast.Reference))
    if value.operator == "*" and is_count and isinstance(value.left, (ast.Group, ast.Block, ast.Labeled)):
        return (_count_first(value.operator_span, value.span, value.left, value.right),)
    if value.operator == "*" and _is_product(value.left):
        return (_repetition_of_repetition(value),)

    # A count or a resolution that is computed needs a name.
    counted = value.operator == "*" and isinstance(value.left, ast.Group)
    expression = value.left if counted else value
    return (
        ArithmeticInList(
            span=expression.span if counted else value.operator_span,
            operator=value.operator if not counted else _operator_in(value.left),
            is_count=counted,
            suggestions=_named(expression, constants),
        ),
    )


def count_behind(value: ast.Repeated) -> Diagnostic:
    """The diagnostic of a list where the count of a repetition belongs: `$stage*2`."""
    source, start = value.span.source, value.count.span.end
    star = source.text.index("*", start)
    at = source.span(star, star + 1)
    if isinstance(value.body, ast.Integer):
        return _count_first(at, value.span, value.count, value.body)
    hint = "a count is a number, or the name of one"
    return UnexpectedToken(span=at, found="`*`", expected="`,` between two entries", hint=hint)


def _count_first(star: Span, whole: Span, entry: ast.Value, count: ast.Value) -> Diagnostic:
    """The diagnostic of `A*k`, where the count is before the entry."""
    text = f"{count.span.text}*{entry.span.text}"
    return UnexpectedToken(
        span=star,
        found="`*`",
        expected="the count before the entry",
        hint=f"write `{text}`",
        fix=writing(whole, text),
    )


def _repetition_of_repetition(value: ast.Arithmetic) -> Diagnostic:
    return UnexpectedToken(
        span=value.operator_span,
        found="`*`",
        expected="`,` or the end of the list",
        hint="a repetition of a repetition needs parentheses: `2*(3*A)`",
    )


def _is_product(value: ast.Value) -> bool:
    return isinstance(value, ast.Repeated) or (isinstance(value, ast.Arithmetic) and value.operator == "*")


def _operator_in(value: ast.Value) -> str:
    """The first operator in an expression."""
    match value:
        case ast.Group(items=(only,)):
            return _operator_in(only)
        case ast.Arithmetic():
            return value.operator
        case _:
            return "*"


def _named(expression: ast.Value, constants: Constants) -> tuple[Fix, ...]:
    """The way out that gives the expression a name; none if it is not a number that an entry can have."""
    try:
        number = whole_number(expression, constants)
    except SpecError:
        return ()
    inner = expression.items[0] if isinstance(expression, ast.Group) else expression
    name = free_name("count", [*constants.names, *constants.unreadable])
    definition = f"let {name} = {' '.join(inner.span.text.split())}"
    added = at_top_level(expression.span.source, definition)
    if number < 1 or added is None or "#" in expression.span.text:
        return ()
    title = f"write `${name}`, and `{definition}` at the top level"
    return (Fix(title, (added, Edit(expression.span, f"${name}"))),)
