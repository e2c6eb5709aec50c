"""Channels along the walk: `width` at the image, never fewer below, and enough to mix in (HV311-HV313)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.resolutions import MixInTooNarrow, WidthAtImage, WidthFalls
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import MixIn, Pool
from hvaedsl.passes.base import Rule, Unit


def check_image(unit: Unit) -> Iterator[Diagnostic]:
    """The width at the image resolution is `width`."""
    model, image = unit.spec.model, unit.spec.data.resolution
    if model.width_at(image) != model.width:
        span = unit.origin(f"model.widths.{image}")
        yield WidthAtImage(span=span, width=model.width, found=model.width_at(image), image=image)


def check_padding(unit: Unit) -> Iterator[Diagnostic]:
    """Channels are padded where the encoder pools, never cut; and a mix-in has channels enough."""
    falls: set[int] = set()
    for op in unit.bridge.operations:
        if isinstance(op, Pool) and op.channels < op.in_channels:
            falls.add(op.to)
            span = unit.origins.get(f"model.widths.{op.to}") or unit.origin(f"model.widths.{op.resolution}")
            yield WidthFalls(span=span, before=op.in_channels, after=op.channels, resolution=op.resolution, to=op.to)
        elif isinstance(op, MixIn) and op.source_channels < op.channels and op.source not in falls:
            assert op.span is not None
            yield MixInTooNarrow(
                span=op.span,
                source=op.source,
                source_channels=op.source_channels,
                channels=op.channels,
                resolution=op.resolution,
            )


RULES = (
    Rule(check_image, ("data.dataset", "data.resolution", "model.width", "model.widths")),
    Rule(check_padding, ("model.width", "model.widths", "model.encoder", "model.decoder")),
)
