"""Channels along the walk: `width` at the image, and never fewer below (HV311, HV312).

A mix-in then always has channels enough: its source is an encoder resolution below its target.
"""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.resolutions import WidthAtImage, WidthFalls
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import Pool
from hvaedsl.passes.base import Rule, Unit


def check_image(unit: Unit) -> Iterator[Diagnostic]:
    """The width at the image resolution is `width`."""
    model, image = unit.spec.model, unit.spec.data.resolution
    if model.width_at(image) != model.width:
        span = unit.origin(f"model.widths.{image}")
        yield WidthAtImage(span=span, width=model.width, found=model.width_at(image), image=image)


def check_padding(unit: Unit) -> Iterator[Diagnostic]:
    """Channels are padded where the encoder pools, never cut."""
    model, image = unit.spec.model, unit.spec.data.resolution
    wrong = {image} if model.width_at(image) != model.width else set()  # check_image has reported it
    for _, op in unit.bridge.encoder:
        if isinstance(op, Pool) and op.channels < op.in_channels and op.resolution not in wrong:
            span = unit.origins.get(f"model.widths.{op.to}") or unit.origin(f"model.widths.{op.resolution}")
            yield WidthFalls(span=span, before=op.in_channels, after=op.channels, resolution=op.resolution, to=op.to)


ERRORS = (
    Rule(check_image, ("data.dataset", "data.resolution", "model.width", "model.widths")),
    Rule(check_padding, ("data.dataset", "data.resolution", "model.width", "model.widths", "model.encoder")),
)
