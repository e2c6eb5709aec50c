"""Weights that no loss reaches (HV501)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.gradient import unreached
from hvaedsl.passes.mixing import abandoned_states


class NoGradient(Diagnostic):
    """HV501."""

    code = "HV501"
    severity = Severity.ADVICE
    title = "{what} can get no gradient"
    label = "{reason}"
    help = "{hint}"
    why = (
        "Parameters that no loss reaches are counted, saved and never trained: an encoder level that no decoder block "
        "reads, or a decoder state that is never handed on. Training freezes them, so that several processes agree."
    )
    rests_on = "Computed here: the bridge is walked backwards from the loss; a test holds the result against autograd."
    bad = spec(decoder="8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    what: str
    reason: str
    hint: str


def check(unit: Unit) -> Iterator[Diagnostic]:
    """One finding for the encoder, one for each decoder resolution that HV503 does not explain."""
    found = unit.analysis(unreached)
    dead = [op for _, op in unit.bridge.encoder if isinstance(op, EncoderBlock) and op.group in found.encoder_groups]
    if dead:
        levels = listing(map(str, dict.fromkeys(op.resolution for op in dead)), "and")
        hint = f"let a decoder block read the encoder below, such as `{dead[-1].resolution}x1`, or take the blocks out"
        yield _finding(
            f"{_blocks(len(set(found.encoder_groups)))} of the encoder at {levels}", dead, "nothing reads them", hint
        )
    explained = {item.before for item in unit.analysis(abandoned_states)}
    by_resolution: dict[int, list[TopDownBlock]] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock) and op.group in found.decoder_groups and op.resolution not in explained:
            by_resolution.setdefault(op.resolution, []).append(op)
    for resolution, ops in by_resolution.items():
        hint = f"mix the state of {resolution} into a higher resolution"
        yield _finding(f"the residual step of the last block at {resolution}", ops, "its state goes nowhere", hint)


def _finding(what: str, ops: Sequence[EncoderBlock | TopDownBlock], reason: str, hint: str) -> Diagnostic:
    span = ops[0].span
    assert span is not None
    return NoGradient(span=span, what=what, reason=reason, hint=hint)


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count} blocks"


ADVICE = (Rule(check, ("data.dataset", "data.resolution", "model.encoder", "model.decoder")),)
