"""HV215, HV217, HV223, HV225 to HV229: arguments of `likelihood` and `pooling`, and images that fit the likelihood."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.snippet import spec

_MIXTURE = (
    "`mixture_of_logistics` takes the number of its mixture components, and optionally `bits = 5` for targets of five "
    "bits, the published form, and `channels = independent` for colors that do not depend on each other."
)
_BINARIZED = (
    "A Bernoulli likelihood models pixels of 0 and 1 in one channel, so its images are binarized; a mixture of "
    "logistics models levels, so its images are not."
)


class ComponentCount(Diagnostic):
    """HV215."""

    code = "HV215"
    title = "`mixture_of_logistics` needs the number of its components"
    label = "found {found}"
    help = "{example}"
    why = _MIXTURE
    bad = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics")
    good = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10)")

    count: int  # of the numbers in parentheses

    @property
    def found(self) -> str:
        """The numbers found, in words."""
        return f"{self.count} numbers" if self.count else "no number"


class NotBinarized(Diagnostic):
    """HV217."""

    code = "HV217"
    title = "`data.binarize` is `none`; `likelihood = bernoulli` needs binarized images"
    label = "expected `dynamic` or `threshold`"
    help = "remove the key; under `bernoulli` the default is `dynamic`"
    why = _BINARIZED
    bad = spec(model="width = 16  latent = 4  likelihood = bernoulli", data="dataset = digits  binarize = none")
    good = spec(model="width = 16  latent = 4  likelihood = bernoulli")


class BernoulliArguments(Diagnostic):
    """HV223."""

    code = "HV223"
    title = "`bernoulli` takes no arguments"
    label = "called with arguments"
    help = "{proposal}"
    why = "A Bernoulli likelihood has one logit for each pixel and nothing to configure."
    bad = spec(model="width = 16  latent = 4  likelihood = bernoulli(1)")
    good = spec(model="width = 16  latent = 4  likelihood = bernoulli")


class UnsupportedBits(Diagnostic):
    """HV225."""

    code = "HV225"
    title = "`bits` is {bits}; it must be 5"
    label = "expected 5"
    help = "remove it to model all levels; images with 256 levels may have targets of 5 bits"
    why = _MIXTURE
    bad = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10, bits = 3)")
    good = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10)")

    bits: str


class UnknownWavelet(Diagnostic):
    """HV226."""

    code = "HV226"
    title = "`{key}` is `{text}`; the wavelet must be `haar` or `db2`"
    label = "expected one wavelet, `haar` or `db2`"
    help = "{proposal}"
    why = "Pooling by a wavelet transform names one wavelet. These two are orthogonal, with filters of 2 and 4 taps."
    bad = spec(model="width = 16  latent = 4  pooling = wavelet(db3)")
    good = spec(model="width = 16  latent = 4  pooling = wavelet(db2)")

    key: str
    text: str


class BernoulliChannels(Diagnostic):
    """HV227."""

    code = "HV227"
    title = "`likelihood = bernoulli` needs 1 channel; the images have {channels}"
    label = "models images with 1 channel"
    help = "{proposal}"
    why = _BINARIZED
    bad = spec(
        data="dataset = npy  channels = 3  resolution = 8", model="width = 16  latent = 4  likelihood = bernoulli"
    )
    good = spec(
        data="dataset = npy  channels = 1  resolution = 8", model="width = 16  latent = 4  likelihood = bernoulli"
    )

    channels: int


class MixtureBinarized(Diagnostic):
    """HV228."""

    code = "HV228"
    title = "`data.binarize` is `{binarize}`; a mixture of logistics needs `none`"
    label = "expected `none`"
    help = "{hint}"
    why = _BINARIZED
    bad = spec(data="dataset = digits  binarize = dynamic")
    good = spec(data="dataset = digits")

    binarize: str

    @property
    def hint(self) -> str:
        """The key to remove, or the likelihood of binarized images if the images have one channel."""
        others = listing(way.title for way in self.suggestions)
        return f"remove the key, or {others}" if others else "remove the key"


class BitsNeedLevels(Diagnostic):
    """HV229."""

    code = "HV229"
    title = "`bits = 5` needs images with 256 levels; these have {levels}"
    label = "{levels} levels"
    help = "remove `bits`"
    why = "Five-bit targets are the 256 levels of 8-bit images divided by 8."
    bad = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10, bits = 5)")
    good = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10)")

    levels: int
