"""HV604: training settings far from the published ones of the data set."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity

_MODEL = {"encoder": "32x1, 32d4, 8x1", "decoder": "8x1, 32m8, 32x2"}
_RUN = "steps = 100k  batch_size = 70  ema_decay = 0.9999"


class FarFromPublished(Diagnostic):
    """HV604."""

    code = "HV604"
    severity = Severity.ADVICE
    title = "`{key}` is {number}; the published runs on {dataset} take {published}"
    label = "{label_of_distance}"
    help = "write `{name} = {nearest:g}`, unless the distance is what you study"
    why = (
        "The published likelihoods were reached with these settings. A value more than ten times off is mostly a "
        "slip: a digit, or the batch of all GPUs where `batch_size` is that of one process. For the averaged weights "
        "the steps that they reach back over are compared, and only where the run is long enough for the published "
        "ones (HV601)."
    )
    rests_on = (
        "Falck, Williams et al. 2022, Tables G.2, G.3 and G.6; openai/vdvae, hps.py, for ImageNet and FFHQ. The "
        "factor of ten is chosen here."
    )
    configuration = (
        "asked of the data sets of the paper and of openai/vdvae; of `ema_decay` where `train.steps` is written"
    )
    bad = spec(data="dataset = mnist", **_MODEL, rest=f"train {{ {_RUN}  learning_rate = 1e-2 }}")
    good = spec(data="dataset = mnist", **_MODEL, rest=f"train {{ {_RUN}  learning_rate = 1e-4 }}")

    key: str
    dataset: str
    value: float
    published: str
    nearest: float
    factor: float  # above 1 where the value is too large, of the averages' reach where the key is ema_decay

    @property
    def name(self) -> str:
        """The key in its section."""
        return self.key.removeprefix("train.")

    @property
    def number(self) -> str:
        """The value, in full where it is a whole number."""
        return f"{self.value:,.0f}" if float(self.value).is_integer() and self.value < 1e15 else f"{self.value:g}"

    @property
    def label_of_distance(self) -> str:
        """How far off it is."""
        what = "reaches back " if self.name == "ema_decay" else ""
        far, times = ("further", self.factor) if self.factor > 1 else ("less far", 1 / self.factor)
        if not what:
            far = "larger" if self.factor > 1 else "smaller"
        rounded = float(f"{times:.3g}")
        return f"{what}{rounded:,.0f} times {far}" if 1000 <= rounded < 1e15 else f"{what}{rounded:g} times {far}"


KINDS = (FarFromPublished,)
