"""HV3xx: the walk over the resolutions, and the widths along it."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, listing

_WALK = (
    "An encoder walks down: it starts at the image resolution, each entry stands where the one before it left off, "
    "and only `d` changes the resolution."
)


class EncoderStart(Diagnostic):
    """HV301."""

    code = "HV301"
    title = "the encoder starts at {resolution}, the images have {image}"
    label = "expected {image}"
    help = "begin with a block at {image}, such as `{image}x1`"
    why = _WALK
    bad = spec(encoder="4x1", decoder="4x1, 8m4, 8x2")
    good = spec()

    resolution: int
    image: int


class EncoderJump(Diagnostic):
    """HV302."""

    code = "HV302"
    title = "the encoder jumps from {state} to {resolution}"
    label = "the state has resolution {state} here"
    help = "{hint}"
    why = _WALK
    bad = spec(encoder="8x2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1")

    state: int
    resolution: int

    @property
    def hint(self) -> str:
        """The pooling that is missing, where one fits."""
        if self.resolution < self.state and self.state % self.resolution == 0:
            return f"pool before it: `{self.state}d{self.state // self.resolution}`"
        return (
            "an encoder never goes up"
            if self.resolution > self.state
            else f"no pooling leads from {self.state} to {self.resolution}"
        )


class PoolingDoesNotDivide(Diagnostic):
    """HV303."""

    code = "HV303"
    title = "pooling by {factor} does not divide the resolution {resolution}"
    label = "{resolution} / {factor} is no whole number"
    help = "{hint}"
    why = "Average pooling by K turns K x K pixels into one; the next resolution is R / K."
    bad = spec(encoder="8x2, 8d3, 2x1", decoder="2x1, 8m2, 8x2")
    good = spec(encoder="8x2, 8d4, 2x1", decoder="2x1, 8m2, 8x2")

    resolution: int
    factor: int

    @property
    def hint(self) -> str:
        """The factors that do divide."""
        fits = [str(k) for k in range(2, min(self.resolution, 64) + 1) if self.resolution % k == 0]
        return f"{self.resolution} is divided by {listing(fits)}" if fits else f"{self.resolution} cannot be pooled"


class PoolingTooSmall(Diagnostic):
    """HV304."""

    code = "HV304"
    title = "pooling by {factor} does not lower the resolution"
    label = "at least 2"
    help = "for one more block at this resolution write `{resolution}x1`"
    why = "The K of `RdK` is the factor between two resolutions of the hierarchy."
    bad = spec(encoder="8r2, 8d1, 8d2, 4x1")
    good = spec()

    resolution: int
    factor: int


class NoEncoderActivation(Diagnostic):
    """HV305."""

    code = "HV305"
    title = "the decoder stands at {resolution}, where the encoder has no activation"
    label = "nothing to read here"
    help = "the encoder has activations at {available}"
    why = "The posterior of a top-down block reads the encoder's last activation at the same resolution."
    bad = spec(decoder="4x1, 6x1, 8m4, 8x2")
    good = spec()

    resolution: int
    resolutions: tuple[int, ...]

    @property
    def available(self) -> str:
        """The resolutions that have an activation."""
        return listing(map(str, self.resolutions), "and")


class MixInNotLower(Diagnostic):
    """HV306."""

    code = "HV306"
    title = "a mix-in comes from a lower resolution: {source} is not below {resolution}"
    label = "expected less than {resolution}"
    help = "`{resolution}m{example}` mixes the state of {example} in"
    why = "`RmS` adds the state of resolution S, upsampled by R / S."
    bad = spec(decoder="4x1, 8m8, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    source: int
    resolution: int
    example: int


class MixInDoesNotDivide(Diagnostic):
    """HV307."""

    code = "HV307"
    title = "the mix-in's source {source} does not divide {resolution}"
    label = "{resolution} / {source} is no whole number"
    help = "upsampling repeats every pixel a whole number of times"
    why = "`RmS` upsamples the state of resolution S by R / S (nearest neighbour)."
    bad = spec(decoder="4x1, 8m3, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    source: int
    resolution: int


class MixInTooEarly(Diagnostic):
    """HV308."""

    code = "HV308"
    title = "nothing has been applied at {source} yet"
    label = "its state is still where it began"
    help = "{hint}"
    why = "A mix-in hands on what the blocks at the lower resolution have drawn; without a block there is nothing."
    bad = spec(decoder="8m4, 8x2, 4x1, 8x1")
    good = spec(decoder="4x1, 8m4, 8x2")

    source: int
    resolution: int
    applied: tuple[int, ...]

    @property
    def hint(self) -> str:
        """What has been applied so far."""
        before = f"blocks have been applied at {listing(map(str, self.applied), 'and')}; " if self.applied else ""
        return f"{before}put a block at {self.source} before it, such as `{self.source}x1`"


class DecoderEnd(Diagnostic):
    """HV309."""

    code = "HV309"
    title = "the decoder ends at {resolution}, the images have {image}"
    label = "expected {image}"
    help = "end with blocks at {image}, such as `{image}m{resolution}, {image}x1`"
    why = "The likelihood reads the top-down state at the image resolution, after the last block."
    bad = spec(decoder="4x1")
    good = spec()

    resolution: int
    image: int


class ZeroCount(Diagnostic):
    """HV310."""

    code = "HV310"
    title = "`{text}` is nothing at all"
    label = "at least 1"
    help = "take it out, or write how many"
    why = "Counts, repetitions and resolutions are at least 1."
    bad = spec(encoder="8x0, 8d2, 4x1")
    good = spec()

    text: str


class WidthAtImage(Diagnostic):
    """HV311."""

    code = "HV311"
    title = "the width at the image resolution is `width`, {width}, not {found}"
    label = "{image} is the image resolution"
    help = "write `width = {found}` and the widths of the other resolutions, or take this entry out"
    why = "The stem and the head have the channels of `width`; `widths` says where other resolutions differ."
    bad = spec(model="width = 16  latent = 4  widths = {8: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    width: int
    found: int
    image: int


class WidthFalls(Diagnostic):
    """HV312."""

    code = "HV312"
    title = "the width falls from {before} at {resolution} to {after} at {to}"
    label = "channels would have to be cut here"
    help = "give {to} a width of at least {before}"
    why = (
        "Where the encoder pools, channels are padded with zeros up to the next width; they are never cut. A mix-in "
        "takes the first channels of its source, so the source is at least as wide as the state that it is mixed into."
    )
    bad = spec(model="width = 16  latent = 4  widths = {4: 8}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    before: int
    after: int
    resolution: int
    to: int


class TooManyApplications(Diagnostic):
    """HV313."""

    code = "HV313"
    title = "the {stack} applies {applications:,} blocks; at most {limit:,} are compiled"
    label = "counted without expanding it"
    help = "is a count mistyped?"
    why = "The deepest published model applies 268 blocks. The limit keeps a slip of the hand from filling the memory."
    bad = spec(encoder="8r999999999, 8d2, 4x1")
    good = spec(encoder="8r7, 8d2, 4x1")

    stack: str
    applications: int
    limit: int


class TooManyParameters(Diagnostic):
    """HV314."""

    code = "HV314"
    title = "the model would have {parameters:,} parameters; at most {limit:,} are compiled"
    label = "with this width"
    help = "is a number mistyped?"
    why = "The largest published model has 125 million parameters. The count is arithmetic; nothing is allocated."
    bad = spec(model="width = 1_000_000  latent = 4")
    good = spec()

    parameters: int
    limit: int


KINDS: tuple[type[Diagnostic], ...] = (
    EncoderStart,
    EncoderJump,
    PoolingDoesNotDivide,
    PoolingTooSmall,
    NoEncoderActivation,
    MixInNotLower,
    MixInDoesNotDivide,
    MixInTooEarly,
    DecoderEnd,
    ZeroCount,
    WidthAtImage,
    WidthFalls,
    TooManyApplications,
    TooManyParameters,
)
