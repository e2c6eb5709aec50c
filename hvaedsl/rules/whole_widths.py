"""Images that are not square have a whole width at every resolution in use (HV323)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import EncoderBlock, Pool, TopDownBlock
from hvaedsl.ir.image_size import has_whole_columns
from hvaedsl.passes.base import Rule, Unit

_SHOWN = 12


class WidthNotWhole(Diagnostic):
    """HV323."""

    code = "HV323"
    title = "images of {height}x{width} have no whole width at height {heights}"
    label = "{resolution} * {width} / {height} is {exact:.4g}"
    help = "{hint}"
    why = (
        "The entries of a block list are heights. The width follows from the ratio of the image's sides, R * W / H, so "
        "that a pooling divides both sides by its factor."
    )
    bad = spec(
        data="dataset = npy  channels = 1  resolution = (8, 12)",
        encoder="8x1, 8d2, 4d4, 1x1",
        decoder="1x1, 4m1, 8m4",
    )
    good = spec(
        data="dataset = npy  channels = 1  resolution = (8, 12)",
        encoder="8x1, 8d2, 4d2, 2x1",
        decoder="2x1, 4m2, 8m4",
    )

    height: int
    width: int
    resolutions: tuple[int, ...]

    @property
    def resolution(self) -> int:
        """The first of the resolutions."""
        return self.resolutions[0]

    @property
    def heights(self) -> str:
        """The resolutions in words."""
        return listing(map(str, self.resolutions), "and")

    @property
    def exact(self) -> float:
        """The width at the first resolution."""
        return self.resolution * self.width / self.height

    @property
    def hint(self) -> str:
        """The heights below the image's that poolings lead to, and that have a whole width."""
        step = self.height // math.gcd(self.height, self.width)
        heights = [at for at in range(self.height // 2, 0, -1) if self.height % at == 0 and at % step == 0]
        if not heights:
            return f"no height below {self.height} has a whole width; choose another size of the images"
        named = listing([str(at) for at in heights[:_SHOWN]], "and")
        more = ", and lower ones" if len(heights) > _SHOWN else ""
        return f"lower resolutions of these images are multiples of {step}: {named}{more}"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the heights without a whole width, at the first one that is reached."""
    data = unit.spec.data
    if data.height == data.width:
        return
    found: dict[int, Span] = {}
    for resolution, span in _reached(unit):
        if span is not None and not has_whole_columns(resolution, data.height, data.width):
            found.setdefault(resolution, span)
    if found:
        place = next(iter(found.values()))
        yield WidthNotWhole(span=place, height=data.height, width=data.width, resolutions=tuple(found))


def _reached(unit: Unit) -> Iterator[tuple[int, Span | None]]:
    """The resolutions below the image's, each with its place; of the decoder, those that need no encoder activation."""
    for _, op in unit.bridge.encoder:
        reached = op.to if isinstance(op, Pool) and op.is_sound else op.resolution
        if reached < unit.spec.data.height:
            yield reached, op.span if isinstance(op, (Pool, EncoderBlock)) else None
    for _, block in unit.bridge.decoder:
        if isinstance(block, TopDownBlock) and (unit.spec.model.skips == "none" or not block.draws):
            yield block.resolution, block.span


ERRORS = (
    Rule(
        check,
        (
            "data.dataset",
            "data.resolution",
            "model.encoder",
            "model.encoder.walk",
            "model.encoder.resolutions",
            "model.skips",
            "model.latent",
            "model.decoder",
            "model.decoder.walk",
        ),
    ),
)
