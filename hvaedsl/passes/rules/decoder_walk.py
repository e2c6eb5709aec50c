"""The decoder reads activations that exist, mixes in states that exist, and ends at the image (HV305-HV309)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.resolutions import (
    DecoderEnd,
    MixInDoesNotDivide,
    MixInNotLower,
    MixInTooEarly,
    NoEncoderActivation,
)
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.ir.bridge import MixIn, Pool, TopDownBlock, output_resolution
from hvaedsl.passes.base import Rule, Unit


def check_activations(unit: Unit) -> Iterator[Diagnostic]:
    """Every decoder resolution has an encoder activation; each one that lacks it is reported once.

    A pooling by a wrong factor, which is reported itself, leaves open what the encoder has. Without skip connections
    no more than the bottleneck's is read.
    """
    if unit.spec.model.skips == "none":
        return  # the posterior reads zeros there
    if any(isinstance(op, Pool) and not op.is_sound for _, op in unit.bridge.encoder):
        return
    resolutions = tuple(sorted({output_resolution(op) for _, op in unit.bridge.encoder}, reverse=True))
    missing: set[int] = set()
    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock) and op.resolution not in {*resolutions, *missing}:
            missing.add(op.resolution)
            assert op.span is not None
            yield NoEncoderActivation(span=op.span, resolution=op.resolution, resolutions=resolutions)


def check_mix_ins(unit: Unit) -> Iterator[Diagnostic]:
    """A mix-in comes from a lower resolution that divides."""
    applied: dict[int, None] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, MixIn):
            assert op.span is not None
            if op.source >= op.resolution:
                lower = [r for r in applied if r < op.resolution]
                example = lower[-1] if lower else max(1, op.resolution // 2)
                fix = Fix(f"write `{op.resolution}m{example}`", (Edit(op.span, str(example)),))
                yield MixInNotLower(
                    span=op.span,
                    source=op.source,
                    resolution=op.resolution,
                    example=example,
                    fix=fix if lower and op.resolution % example == 0 else None,
                )
            elif not op.is_sound:
                yield MixInDoesNotDivide(span=op.span, source=op.source, resolution=op.resolution)
        elif isinstance(op, TopDownBlock):
            applied[op.resolution] = None


def check_order(unit: Unit) -> Iterator[Diagnostic]:
    """A block has been applied at the source of a mix-in before it."""
    applied: dict[int, None] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, MixIn):
            if op.is_sound and op.source not in applied:
                assert op.span is not None
                yield MixInTooEarly(
                    span=op.span, source=op.source, resolution=op.resolution, applied=tuple(sorted(applied))
                )
        elif isinstance(op, TopDownBlock):
            applied[op.resolution] = None


def check_end(unit: Unit) -> Iterator[Diagnostic]:
    """The last block stands at the image resolution."""
    image = unit.bridge.image_resolution
    last = next((op for _, op in reversed(unit.bridge.decoder) if isinstance(op, TopDownBlock)), None)
    if last is not None and last.span is not None and last.resolution != image:
        yield DecoderEnd(span=last.span, resolution=last.resolution, image=image)


_IMAGE = ("data.dataset", "data.resolution")
_WALKS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
ERRORS = (
    Rule(
        check_activations,
        (*_IMAGE, "model.skips", *_WALKS),
    ),
    Rule(check_mix_ins, ("model.decoder",)),
    Rule(check_order, ("model.decoder", "model.decoder.walk")),
    Rule(check_end, (*_IMAGE, "model.decoder", "model.decoder.walk")),
)
