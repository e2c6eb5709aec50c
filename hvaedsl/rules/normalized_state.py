"""A model whose state is normalized does not learn (HV504)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class NormalizedState(Diagnostic):
    """HV504."""

    code = "HV504"
    severity = Severity.ADVICE
    title = "the state is normalized; the paper reports that such models do not learn"
    label = "an ablation of the paper"
    help = "remove it, unless you want the ablation"
    why = (
        "In Falck, Williams et al. 2022 (Table 2), models with a normalized state do not reach a useful likelihood. "
        "The norm of the state grows from block to block and carries information of the discretized diffusion."
    )
    rests_on = "Falck, Williams et al. 2022, Table 2."
    bad = spec(model="width = 16  latent = 4  normalize_state { norm = l2 }")
    good = spec()


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report `normalize_state` with a norm."""
    if unit.spec.model.normalize_state.norm is not None:
        yield NormalizedState(span=unit.origin("model.normalize_state.norm"))


ADVICE = (Rule(check, ("model.normalize_state.norm",)),)
