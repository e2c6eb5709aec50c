"""A decoder that goes to a higher resolution without mixing in the state (HV503)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hvaedsl.diagnostics.additions import before_item
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.mixing import abandoned_states


class NoMixIn(Diagnostic):
    """HV503."""

    code = "HV503"
    severity = Severity.ADVICE
    title = "the decoder continues at {resolution} without the state of {before}"
    label = "the state starts as {initial} here"
    help = "{hint}"
    why = (
        "Without a mix-in the state of a resolution starts as its learned bias, or as zeros above `bias_up_to`. The "
        "latents drawn below then have no effect on the image, and the last residual step below receives no gradient."
    )
    rests_on = "Child 2021 and openai/vdvae (vae.py): every published decoder starts a resolution with a mix-in."
    bad = spec(decoder="4x1, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    resolution: int
    before: int
    initial: str

    @property
    def hint(self) -> str:
        """The mix-in, if one can be written."""
        if self.ways_out:
            return f"start the resolution with `{self.resolution}m{self.before}`"
        return f"start the resolution with a block that mixes in the state of {self.before}"


_COPIES = re.compile(r"([0-9]+)(?:x([0-9]+))?")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the first block of each resolution that does not mix in the state from below."""
    for found in unit.analysis(abandoned_states):
        op = unit.bridge.operations[found.index]
        assert op.span is not None
        initial = "its learned bias" if op.resolution <= unit.spec.model.bias_up_to else "zeros"
        fix, more = None, []
        if _can_mix_in(unit, op.resolution, found.before):
            mix_in = f"{op.resolution}m{found.before}"
            fix = _mixing_in(op.span, mix_in)
            if fix is None and unit.spec.model.processing == "asynchronous":  # else the encoder needs one more block
                more.append(Fix(f"insert `{mix_in}` before it", (before_item(op.span, mix_in),)))
        yield NoMixIn(
            span=op.span,
            resolution=op.resolution,
            before=found.before,
            initial=initial,
            fix=fix,
            suggestions=tuple(more),
        )


def _can_mix_in(unit: Unit, resolution: int, source: int) -> bool:
    """Whether a block can mix in the state of a lower resolution, as other rules require."""
    model, (factor, rest) = unit.spec.model, divmod(resolution, source)
    powers = wavelet_of(model.pooling) is None or factor & (factor - 1) == 0
    return not rest and powers and model.width_at(source) >= model.width_at(resolution)


def _mixing_in(span: Span, mix_in: str) -> Fix | None:
    """The fix that lets the first block of an entry mix in: `8x2` becomes `8m4, 8x1`. Not for an entry in a group."""
    entry = _COPIES.fullmatch(span.text)
    count = int(entry[2] or 1) if entry else 0
    if entry is None or count < 1 or span.before not in ("=", ",") or (count > 1 and span.after == "@"):
        return None

    replacement = mix_in if count == 1 else f"{mix_in}, {entry[1]}x{count - 1}"
    return writing(span, replacement)


ADVICE = (Rule(check, ("model.decoder",)),)
