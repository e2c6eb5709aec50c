"""A training step cannot sample more layers than the model has (HV205)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.names import OutOfRange
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.cost import stochastic_depth

KEY = "train.kl.sampled_layers"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report `sampled_layers` above the stochastic depth."""
    sampled, depth = unit.spec.train.kl.sampled_layers, unit.analysis(stochastic_depth)
    if sampled is not None and sampled > depth:
        expected = f"at most {depth:,}, the stochastic depth of this model, or none"
        yield OutOfRange(span=unit.origin(KEY), key=KEY, expected=expected, value=f"{sampled:,}")


ERRORS = (Rule(check, (KEY, "model.latent", "model.decoder", "model.decoder.walk", "model.decoder.counts")),)
