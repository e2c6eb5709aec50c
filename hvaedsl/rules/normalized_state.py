"""A state that is divided by its norm does not learn (HV504)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.passes.base import Rule, Unit


class NormalizedState(Diagnostic):
    """HV504."""

    code = "HV504"
    severity = Severity.ADVICE
    title = "the state is divided by its norm: the paper reports that such models do not learn"
    label = "an ablation"
    help = "take it out, unless the ablation is what you want"
    why = (
        "In Falck, Williams et al. 2022 (Table 2) models whose state is normalised do not reach a useful likelihood: "
        "the norm of the state, which grows from block to block, carries what the discretised diffusion has to tell."
    )
    rests_on = "Falck, Williams et al. 2022, Table 2."
    bad = spec(model="width = 16  latent = 4  normalize_state { norm = l2 }")
    good = spec()


def check(unit: Unit) -> Iterator[Diagnostic]:
    """`normalize_state` is on."""
    if unit.spec.model.normalize_state.norm is not None:
        yield NormalizedState(span=unit.origin("model.normalize_state.norm"))


ADVICE = (Rule(check, ("model.normalize_state.norm",)),)
