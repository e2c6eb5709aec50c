"""HV5xx: advice on the model. It compiles and is probably not what was meant."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity, listing


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
    bad = spec(decoder="8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    what: str
    reason: str
    hint: str


class UnusedResolution(Diagnostic):
    """HV502."""

    code = "HV502"
    severity = Severity.ADVICE
    title = "`{key}` has a value for {resolutions}, where the model has no block"
    label = "not in use"
    help = "take it out"
    why = "A value for a resolution that the model never visits changes nothing; perhaps another one was meant."
    bad = spec(model="width = 16  latent = 4  widths = {2: 32}")
    good = spec(model="width = 16  latent = 4  widths = {4: 32}")

    key: str
    unused: tuple[int, ...]

    @property
    def resolutions(self) -> str:
        """The resolutions that are not in use."""
        return listing(map(str, self.unused), "and")


class NoMixIn(Diagnostic):
    """HV503."""

    code = "HV503"
    severity = Severity.ADVICE
    title = "the decoder goes on at {resolution} without the state of {before}"
    label = "the state is {begins} here"
    help = "begin the resolution with `{resolution}m{before}`"
    why = (
        "Without a mix-in the state of a resolution begins as its learned bias, or as zeros above `bias_up_to`: what "
        "was drawn below reaches the image through nothing, and the last residual step below gets no gradient."
    )
    bad = spec(decoder="4x1, 8x2")
    good = spec(decoder="4x1, 8m4, 8x2")

    resolution: int
    before: int
    begins: str


class NormalizedState(Diagnostic):
    """HV504."""

    code = "HV504"
    severity = Severity.ADVICE
    title = "the state is divided by its norm: the paper reports that such models do not learn"
    label = "an ablation"
    help = "take it out, unless the ablation is what you want"
    why = (
        "In Falck, Williams et al. 2022 (Table 2) models whose state is normalised do not reach a useful likelihood: "
        "the norm of the state, which grows from block to block, carries what the discretised diffusion has to tell."
    )
    bad = spec(model="width = 16  latent = 4  normalize_state { norm = l2 }")
    good = spec()


class ConstantFeatures(Diagnostic):
    """HV505."""

    code = "HV505"
    severity = Severity.ADVICE
    title = "the Fourier features of a binary image are constant"
    label = "sin is 0 and cos is 1 or -1 at every pixel"
    help = "take `image` out, or take an exponent below 0"
    why = "A binary pixel is -1 or 1, where sin(2^n pi x) and cos(2^n pi x) take one value each for every n from 0."
    bad = spec(model="width = 16  latent = 4  likelihood = bernoulli  fourier { at = image }")
    good = spec(model="width = 16  latent = 4  likelihood = bernoulli  fourier { at = sample }")


KINDS: tuple[type[Diagnostic], ...] = (NoGradient, UnusedResolution, NoMixIn, NormalizedState, ConstantFeatures)
