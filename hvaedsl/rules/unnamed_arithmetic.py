"""Arithmetic in which no constant takes part (HV517)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.elaborate.arithmetic import whole_number
from hvaedsl.elaborate.block_shapes import is_list
from hvaedsl.elaborate.constants import Constants
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.syntax import ast
from hvaedsl.syntax.assignments import assignments
from hvaedsl.syntax.references import references


class UnnamedArithmetic(Diagnostic):
    """HV517."""

    code = "HV517"
    severity = Severity.ADVICE
    title = "`{text}` is always {value:,}"
    label = "arithmetic without a constant"
    help = "{proposal}, or name one of the numbers with a constant"
    why = (
        "Arithmetic says how one number follows from another, so that a sweep or a child can change that one. Without "
        "a constant nothing can change, and a reader has to do the sum."
    )
    rests_on = "Computed here: the number gives the same resolved spec."
    bad = spec(model="width = 2*8  latent = 4")
    good = spec(top="hvae 1\nlet n = 2", model="width = 8*$n  latent = 4", encoder="8x$n, 8d2, 4x1")

    text: str
    value: int


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each expression of the spec itself that has an operator and no name."""
    for expression in _in_text(unit.documents[-1].statements):
        if next(references(expression), None) is not None:
            continue
        try:
            value = whole_number(expression, Constants({}))
        except SpecError:
            continue
        span = expression.span
        fix = Fix(f"write `{value}`", (Edit(span, str(value)),)) if "#" not in span.text else None
        yield UnnamedArithmetic(span=span, text=" ".join(span.text.split()), value=value, fix=fix)


def _in_text(statements: tuple[ast.Statement, ...]) -> Iterator[ast.Value]:
    """The outermost expressions of constants and keys."""
    for item in statements:
        if isinstance(item, ast.Let):
            yield from _expressions(item.value, in_list=is_list(item.value))
    for dotted, assignment in assignments(statements):
        section, _, name = dotted.rpartition(".")
        if (key := SCHEMA.get(section, {}).get(name)) is not None:
            yield from _expressions(assignment.value, in_list=isinstance(key.kind, BlockStack))


def _expressions(value: ast.Node, *, in_list: bool) -> Iterator[ast.Value]:
    """The outermost expressions; in a block list they are behind operators, and `*` repeats."""
    if isinstance(value, ast.BlockOf):
        yield from _expressions(value.argument, in_list=False)
        return
    if not in_list and isinstance(value, ast.Arithmetic | ast.Repeated):
        yield value
        return
    for inner in ast.children(value):
        yield from _expressions(inner, in_list=in_list)


ADVICE = (Rule(check, ()),)
