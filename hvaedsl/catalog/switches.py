"""HV3xx: what a cell or a switch asks of the rest of the model."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, listing


class UnequalCounts(Diagnostic):
    """HV315."""

    code = "HV315"
    title = "at {resolution} the encoder applies {encoder} and the decoder {decoder}; synchronous processing pairs them"
    label = "{decoder} applications at {resolution} in the decoder"
    help = "make the counts equal (the block of `{resolution}dK` counts here), or leave the processing asynchronous"
    why = (
        "With `processing = synchronous` the k-th application of the decoder at R reads the k-th from the last block "
        "of the encoder at R: without a partner there is nothing to read, and an unread block learns nothing."
    )
    bad = spec(model="width = 16  latent = 4  processing = synchronous", decoder="4x1, 8m4, 8x3")
    good = spec(model="width = 16  latent = 4  processing = synchronous", decoder="4x1, 8m4, 8x2")

    resolution: int
    encoder: int
    decoder: int


class LatentIsState(Diagnostic):
    """HV316."""

    code = "HV316"
    title = "with `cell = {cell}` z is the state, but `latent` is {latent} and the width {where}"
    label = "z has {latent} channels"
    help = "{hint}"
    why = (
        "The cell `euler_maruyama` has no projection between z and the state: the next state is z itself, so that both "
        "have the same channels wherever the decoder has a block."
    )
    bad = spec(model="width = 16  latent = 4  cell = euler_maruyama")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama")

    cell: str
    latent: int
    widths: tuple[tuple[int, int], ...]  # each a resolution and its width
    wrong: tuple[tuple[int, int], ...]  # those whose width is not the latent's

    @property
    def where(self) -> str:
        """The widths that are not the latent's."""
        at: dict[int, list[str]] = {}
        for resolution, width in self.wrong:
            at.setdefault(width, []).append(str(resolution))
        return ", ".join(f"{width} at {listing(resolutions, 'and')}" for width, resolutions in at.items())

    @property
    def hint(self) -> str:
        """The latent that fits, where one does."""
        widths = {width for _, width in self.widths}
        if len(widths) == 1:
            return f"write `latent = {widths.pop()}`, or take another cell"
        return "give every resolution of the decoder the same width, and `latent` that width, or take another cell"


class WaveletFactor(Diagnostic):
    """HV317."""

    code = "HV317"
    title = "`pooling = {pooling}` goes by powers of 2, not from {fine} to {coarse}"
    label = "a factor of {factor}"
    help = "{hint}"
    why = (
        "One level of a wavelet transform halves the resolution, so that J levels divide it by 2^J. A mix-in embeds "
        "the coarser state by the same transform's adjoint."
    )
    bad = spec(
        data="dataset = npy  channels = 1  resolution = 12",
        model="width = 16  latent = 4  pooling = wavelet(haar)",
        encoder="12x1, 12d3, 4x1",
        decoder="4x1, 12m4",
    )
    good = spec(
        data="dataset = npy  channels = 1  resolution = 12",
        model="width = 16  latent = 4  pooling = wavelet(haar)",
        encoder="12x1, 12d4, 3x1",
        decoder="3x1, 12m3",
    )

    pooling: str
    fine: int
    coarse: int

    @property
    def factor(self) -> int:
        """How many times the resolution falls."""
        return self.fine // self.coarse

    @property
    def hint(self) -> str:
        """The factors that fit."""
        fits = [str(2**level) for level in range(1, 11) if self.fine % 2**level == 0]
        other = "or take `pooling = average`"
        return f"{self.fine} can be divided by {listing(fits)}; {other}" if fits else f"{self.fine} is odd; {other}"


class NoPlaceForFeatures(Diagnostic):
    """HV318."""

    code = "HV318"
    title = "with `cell = {cell}` there is no projection of z that could read Fourier features"
    label = "no such place in this cell"
    help = "take `sample` out of `fourier.at`, or take another cell"
    why = (
        "`sample` adds features to z before the convolution that takes it into the state. In a cell whose next state "
        "is z itself there is none."
    )
    bad = spec(model="width = 16  latent = 16  cell = euler_maruyama  fourier { at = sample }")
    good = spec(model="width = 16  latent = 16  cell = euler_maruyama  fourier { at = branches }")

    cell: str


class NothingRead(Diagnostic):
    """HV319."""

    code = "HV319"
    title = "without skip connections only blocks at {bottleneck} read the encoder, and the decoder has none there"
    label = "the posterior sees nothing of the image"
    help = "begin the decoder with `{bottleneck}x1`, or write `skips = all`"
    why = (
        "With `skips = none` the encoder's last activation is all that the decoder may read. A decoder that starts "
        "above it never learns what the image is."
    )
    bad = spec(model="width = 16  latent = 4  skips = none", decoder="8x2")
    good = spec(model="width = 16  latent = 4  skips = none", decoder="4x1, 8m4, 8x2")

    bottleneck: int


KINDS: tuple[type[Diagnostic], ...] = (UnequalCounts, LatentIsState, WaveletFactor, NoPlaceForFeatures, NothingRead)
