"""A constant that no value uses (HV514)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, nearest, removal, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references


class UnusedConstant(Diagnostic):
    """HV514."""

    code = "HV514"
    severity = Severity.ADVICE
    title = "the constant `{name}` is not used"
    label = "no value has `${name}`"
    help = "{way_out}"
    why = (
        "`let n = 3` defines a constant for `$n`, also in the values of a base. A constant that no value uses has no "
        "effect: `--let` with its name changes nothing. A base that other linted files extend is not checked, since "
        "they may use its constants."
    )
    rests_on = "Chosen here."
    bad = spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x2")
    good = spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x$n")

    name: str
    near: str | None

    @property
    def way_out(self) -> str:
        """The constant that was perhaps meant, or the removal of this one."""
        return f"did you mean `{self.near}`?" if self.near is not None else "remove the `let`, or use the constant"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the constants of the spec itself that neither it nor its bases use."""
    if not any(isinstance(item, ast.Let) for item in unit.documents[-1].statements):
        return
    used = {item.name for document in unit.documents for item in references(document)}
    own = unit.documents[-1].statements
    free = used - {item.name.text for item in own if isinstance(item, ast.Let)}  # a constant is defined once
    for item in own:
        if isinstance(item, ast.Let) and item.name.text not in used:
            name = item.name
            near = nearest(name.text, free)
            # Unsafe: a spec that extends this one, and is not linted with it, may use the constant.
            fix = (
                Fix("remove the `let`", (removal(item.span),), safe=False) if near is None else writing(name.span, near)
            )
            yield UnusedConstant(span=name.span, name=name.text, near=near, fix=fix)


ADVICE = (Rule(check, ()),)
