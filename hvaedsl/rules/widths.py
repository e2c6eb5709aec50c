"""Channels by resolution: `width` at the image, and never fewer at lower resolutions (HV311, HV312).

A mix-in then has enough channels if its source and its target are resolutions of the encoder. Without skip connections
or with latent 0 they need not be, and are checked separately.
"""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge import MixIn, Pool, TopDownBlock, output_resolution
from hvaedsl.passes.base import Rule, Unit


class WidthAtImage(Diagnostic):
    """HV311."""

    code = "HV311"
    title = "the width at the image resolution must be `width` ({width}), not {found}"
    label = "{image} is the image resolution"
    help = "{proposal}"
    why = "The stem and the head have `width` channels; `widths` is for other resolutions that differ."
    bad = spec(model="width = 16  latent = 4  widths = {8: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    width: int
    found: int
    image: int


class WidthFalls(Diagnostic):
    """HV312."""

    code = "HV312"
    title = "the width falls from {before} at {resolution} to {after} at {to}"
    label = "channels would be cut here"
    help = "give resolution {to} a width of at least {before}"
    why = (
        "When the encoder pools, channels are padded with zeros up to the next width; they are never cut. A mix-in "
        "reads the first channels of its source, so the source is at least as wide as the state that it is mixed into."
    )
    bad = spec(model="width = 16  latent = 4  widths = {4: 8}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    before: int
    after: int
    resolution: int
    to: int


def check_image(unit: Unit) -> Iterator[Diagnostic]:
    """Report another width than `width` at the image resolution."""
    model, image = unit.spec.model, unit.spec.data.height
    if model.width_at(image) != model.width:
        span = unit.origin(f"model.widths.{image}")
        found, edits = model.width_at(image), unit.without_entries("model.widths", {image})
        wider = writing(unit.origin("model.width"), str(found), shown=f"width = {found}")
        yield WidthAtImage(
            span=span,
            width=model.width,
            found=found,
            image=image,
            fix=Fix("remove this entry", edits) if edits else None,
            suggestions=(wider,) if all(width >= found for width in model.widths.values()) else (),
        )


def check_padding(unit: Unit) -> Iterator[Diagnostic]:
    """Report poolings to a smaller width."""
    model, image = unit.spec.model, unit.spec.data.height
    wrong = {image} if model.width_at(image) != model.width else set()  # check_image has reported it
    for _, op in unit.bridge.encoder:
        if isinstance(op, Pool) and op.channels < op.in_channels and op.resolution not in wrong:
            span = unit.entry("model.widths", op.to) or unit.origin_at("model.widths", op.resolution)
            yield WidthFalls(span=span, before=op.in_channels, after=op.channels, resolution=op.resolution, to=op.to)


def check_mix_ins(unit: Unit) -> Iterator[Diagnostic]:
    """Report mix-ins from a smaller width that `check_padding` does not see: at resolutions of the decoder alone.

    Only blocks that read no activation may be there; of others `check_activations` says that it is missing.
    """
    checked = {output_resolution(op) for _, op in unit.bridge.encoder}
    if unit.spec.model.skips == "all":
        drawn = {op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock) and op.draws}
        if not drawn <= checked:
            return

    reported: set[tuple[int, int]] = set()
    for _, op in unit.bridge.decoder:
        if not isinstance(op, MixIn) or not op.is_sound or {op.source, op.resolution} <= checked:
            continue
        if op.source_channels < op.channels and (op.source, op.resolution) not in reported:
            reported.add((op.source, op.resolution))
            span = unit.entry("model.widths", op.source) or unit.origin_at("model.widths", op.resolution)
            yield WidthFalls(
                span=span,
                before=op.channels,
                after=op.source_channels,
                resolution=op.resolution,
                to=op.source,
            )


ERRORS = (
    Rule(check_image, ("data.dataset", "data.resolution", "model.width", "model.widths")),
    Rule(check_padding, ("data.dataset", "data.resolution", "model.width", "model.widths", "model.encoder")),
    Rule(
        check_mix_ins,
        (
            "data.dataset",
            "data.resolution",
            "model.width",
            "model.widths",
            "model.skips",
            "model.latent",
            "model.encoder",
            "model.encoder.walk",
            "model.decoder",
            "model.decoder.walk",
        ),
    ),
)
