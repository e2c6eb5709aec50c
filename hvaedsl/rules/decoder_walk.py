"""The decoder reads existing activations, mixes in existing states, and ends at the image (HV305 to HV309)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.additions import at_end, before_item
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Label, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import MixIn, Pool, TopDownBlock, output_resolution
from hvaedsl.passes.base import Rule, Unit


class NoEncoderActivation(Diagnostic):
    """HV305."""

    code = "HV305"
    title = "the decoder has {blocks}, where the encoder has no activation"
    label = "nothing to read here"
    help = "the encoder has activations at {available}"
    why = (
        "The posterior of a top-down block reads the encoder's last activation at the same resolution. Only a block "
        "with latent 0 has no posterior and needs none."
    )
    bad = spec(decoder="4x1, 6x1, 8m4, 8x2")
    good = spec()

    missing: tuple[int, ...]
    resolutions: tuple[int, ...]

    @property
    def blocks(self) -> str:
        """The blocks, by their resolutions."""
        return f"{'a block' if len(self.missing) == 1 else 'blocks'} at {listing(map(str, self.missing), 'and')}"

    @property
    def available(self) -> str:
        """The resolutions that have an activation."""
        return listing(map(str, self.resolutions), "and")


class MixInNotLower(Diagnostic):
    """HV306."""

    code = "HV306"
    title = "a mix-in needs a lower resolution; {source} is not below {resolution}"
    label = "expected less than {resolution}"
    help = "{hint}"
    why = (
        "`RmS` adds the state of resolution S, upsampled by R / S. With S = R, openai/vdvae adds the state to itself, "
        "which only doubles it; a higher S stops that code."
    )
    bad = spec(decoder="4x1, 8m8, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    source: int
    resolution: int

    @property
    def hint(self) -> str:
        """The mix-in of a lower resolution, if one has a block."""
        return self.proposal or "a mix-in comes after blocks at a lower resolution, which divides this one"


class MixInDoesNotDivide(Diagnostic):
    """HV307."""

    code = "HV307"
    title = "cannot mix the state of {source} into {resolution}"
    label = "{source} does not divide {resolution}"
    help = "{hint}"
    why = "`RmS` upsamples the state of resolution S by R / S (nearest neighbor)."
    bad = spec(decoder="4x1, 8m3, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    source: int
    resolution: int

    @property
    def hint(self) -> str:
        """The mix-in of a resolution that divides this one: the last with a block, or the highest three at most."""
        found = [str(r) for r in range(self.resolution // 2, 0, -1) if self.resolution % r == 0]
        return f"{self.proposal or f'mix in from {listing(found[:3])}'}; upsampling repeats each pixel"


class MixInTooEarly(Diagnostic):
    """HV308."""

    code = "HV308"
    title = "no block has been applied at {source} before this mix-in"
    label = "the state of {source} is still the initial one"
    help = "{hint}"
    why = (
        "A mix-in passes on the latents drawn by the blocks at the lower resolution; without a block there are none. "
        "openai/vdvae then adds the learned bias of the lower resolution S, which is the same for all images. If S has "
        "no block at all, or is above `no_bias_above`, it stops with a KeyError."
    )
    bad = spec(decoder="8m4, 8x2, 4x1, 8x1")
    good = spec(decoder="4x1, 8m4, 8x2")

    source: int
    resolution: int
    applied: tuple[int, ...]

    @property
    def hint(self) -> str:
        """The missing block, and the resolutions that have one."""
        before = f"so far there are blocks at {listing(map(str, self.applied), 'and')}; " if self.applied else ""
        example = f", such as `{self.source}x1`" if self.suggestions else ""
        return f"{before}add a block at {self.source} before it{example}"


class DecoderEnd(Diagnostic):
    """HV309."""

    code = "HV309"
    title = "the decoder ends at {resolution}, but the images have resolution {image}"
    label = "expected {image}"
    help = "{hint}"
    why = (
        "The likelihood reads the top-down state at the image resolution, after the last block. In openai/vdvae "
        "blocks at a lower resolution may follow: their latents cost KL, and have no effect on the image."
    )
    bad = spec(decoder="4x1")
    good = spec()

    resolution: int
    image: int
    entries: str  # blocks at the image resolution

    @property
    def hint(self) -> str:
        """The entries to remove, or to add."""
        if self.resolution > self.image:
            return f"remove the entries above {self.image}"
        return f"end with blocks at {self.image}, such as `{self.entries}`"


def check_activations(unit: Unit) -> Iterator[Diagnostic]:
    """Report the decoder resolutions without an encoder activation, together: one missing pooling has several.

    Without skip connections only the bottleneck's activation is read, and blocks that draw no latent read none. After a
    pooling by a wrong factor, which another check reports, the resolutions of the encoder are unknown.
    """
    resolutions = _activations(unit)
    if resolutions is None:
        return
    missing: dict[int, Span] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock) and op.draws and op.resolution not in resolutions:
            assert op.span is not None
            missing.setdefault(op.resolution, op.span)
    if missing:
        first, *others = missing.values()
        labels = tuple(Label(span, "nor here") for span in others)
        yield NoEncoderActivation(span=first, missing=tuple(missing), resolutions=resolutions, secondary=labels)


def _activations(unit: Unit) -> tuple[int, ...] | None:
    """The resolutions where a decoder block reads an activation; None if that is not known or not needed."""
    if unit.spec.model.skips == "none":
        return None
    if any(isinstance(op, Pool) and not op.is_sound for _, op in unit.bridge.encoder):
        return None
    return tuple(sorted({output_resolution(op) for _, op in unit.bridge.encoder}, reverse=True))


def check_mix_ins(unit: Unit) -> Iterator[Diagnostic]:
    """Report mix-ins whose source is not a lower resolution, or does not divide the resolution.

    The fix mixes in the last resolution below that has a block and divides this one.
    """
    applied: dict[int, None] = {}
    for _, op in unit.bridge.decoder:
        if isinstance(op, MixIn):
            assert op.span is not None
            if op.is_sound:
                continue
            lower = [str(r) for r in applied if r < op.resolution and op.resolution % r == 0]
            fix = writing(op.span, lower[-1], shown=f"{op.resolution}m{lower[-1]}") if lower else None
            kind = MixInNotLower if op.source >= op.resolution else MixInDoesNotDivide
            yield kind(span=op.span, source=op.source, resolution=op.resolution, fix=fix)
        elif isinstance(op, TopDownBlock):
            applied[op.resolution] = None


def check_order(unit: Unit) -> Iterator[Diagnostic]:
    """Report mix-ins from a resolution where no block has been applied yet."""
    applied: dict[int, None] = {}
    activations = _activations(unit)
    mix_in: MixIn | None = None
    for _, op in unit.bridge.decoder:
        if isinstance(op, MixIn):
            mix_in = op
        elif isinstance(op, TopDownBlock):
            if mix_in is not None and mix_in.is_sound and mix_in.source not in applied:
                assert mix_in.span is not None
                assert op.span is not None
                block = f"{mix_in.source}x1"
                way = Fix(f"insert `{block}` before it", (before_item(op.span, block),))
                yield MixInTooEarly(
                    span=mix_in.span,
                    source=mix_in.source,
                    resolution=mix_in.resolution,
                    applied=tuple(sorted(applied)),
                    suggestions=(way,) if activations is None or mix_in.source in activations else (),
                )
            mix_in = None
            applied[op.resolution] = None


def check_end(unit: Unit) -> Iterator[Diagnostic]:
    """Report a last block that is not at the image resolution, unless its resolution is reported for another reason."""
    image = unit.bridge.image_resolution
    last = next((op for _, op in reversed(unit.bridge.decoder) if isinstance(op, TopDownBlock)), None)
    resolutions = _activations(unit)
    if last is not None and last.draws and resolutions is not None and last.resolution not in resolutions:
        return
    if last is not None and last.span is not None and last.resolution != image:
        applied = {op.resolution for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)}
        width_at = unit.spec.model.width_at  # a state that is mixed in is cut, never padded
        sources = [
            resolution
            for resolution in applied
            if resolution < image and image % resolution == 0 and width_at(resolution) >= width_at(image)
        ]
        entries = f"{image}m{max(sources)}, {image}x1" if sources else f"{image}x1"
        way = Fix(f"end with `{entries}`", (at_end(unit.origin("model.decoder"), entries),))
        yield DecoderEnd(
            span=last.span,
            resolution=last.resolution,
            image=image,
            entries=entries,
            suggestions=(way,) if last.resolution < image else (),
        )


_IMAGE = ("data.dataset", "data.resolution")
_WALKS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
ERRORS = (
    Rule(
        check_activations,
        (*_IMAGE, "model.skips", "model.latent", *_WALKS, "model.encoder.resolutions"),
    ),
    Rule(check_mix_ins, ("model.decoder",)),
    Rule(check_order, ("model.decoder", "model.decoder.walk")),
    Rule(check_end, (*_IMAGE, "model.latent", "model.decoder", "model.decoder.walk")),
)
