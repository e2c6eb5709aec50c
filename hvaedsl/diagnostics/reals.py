"""HV271 to HV275: real values, and the likelihood that has a density of them."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_REAL_DATA = "dataset = npy  channels = 1  resolution = 8  values = real"
_SHAPE = "width = 16  latent = 4"
_DENSITY = (
    "A likelihood of levels gives each level a probability mass, which is at most 1. Real numbers have no levels, and "
    "their likelihood is a density: `gaussian`, or one of your own."
)


class RealsNeedDensity(Diagnostic):
    """HV271."""

    code = "HV271"
    title = "`data.values` is `real`; `likelihood = {likelihood}` models levels"
    label = "expected a density"
    help = "{proposal}"
    why = _DENSITY
    bad = spec(data=_REAL_DATA, model=f"{_SHAPE}  likelihood = mixture_of_logistics(10)")
    good = spec(data=_REAL_DATA, model=f"{_SHAPE}  likelihood = gaussian")

    likelihood: str


class DensityNeedsReals(Diagnostic):
    """HV272."""

    code = "HV272"
    title = "`likelihood = {likelihood}` models real values; `data.values` is `levels`"
    label = "a density of real values"
    help = "{proposal}"
    why = _DENSITY + " A density of levels could be made as large as one likes, by a narrow peak at each of them."
    bad = spec(data="dataset = npy  channels = 1  resolution = 8", model=f"{_SHAPE}  likelihood = gaussian")
    good = spec(data=_REAL_DATA, model=f"{_SHAPE}  likelihood = gaussian")

    likelihood: str


class LevelsOfReals(Diagnostic):
    """HV273."""

    code = "HV273"
    title = "`data.{key}` is {value}, but `data.values` is `real`"
    label = "only levels have this key"
    help = "remove the key"
    why = "Real values are standardized by the training set. They have no number of levels, and are not binarized."
    bad = spec(data=f"{_REAL_DATA}  levels = 256")
    good = spec(data=_REAL_DATA)

    key: str
    value: str


class RealsOfLevels(Diagnostic):
    """HV274."""

    code = "HV274"
    title = "`data.values` is `real`; the images of `dataset = {dataset}` have levels"
    label = "expected `levels`"
    help = "{hint}"
    why = (
        "Real values are read from .npy files (`dataset = npy`), from TIFF files of floats (`dataset = folder`) and "
        "from datasets of your own. The named datasets have 8 bits or fewer. Hugging Face datasets are read as levels."
    )
    bad = spec(data="dataset = digits  values = real")
    good = spec(data=_REAL_DATA)

    dataset: str

    @property
    def hint(self) -> str:
        """What to remove, or where real values are read from."""
        own = "save real values as float32 arrays with numpy, and read the .npy files"
        return f"{self.proposal}; or {own}" if self.ways_out else own


class GaussianNumbers(Diagnostic):
    """HV275."""

    code = "HV275"
    title = "`gaussian` takes no numbers"
    label = "called with numbers"
    help = "{proposal}"
    why = (
        "A Gaussian has a location and a scale for each pixel and channel, and no number of components. Its only "
        "argument is `channels = independent`, for colors that do not depend on each other."
    )
    bad = spec(data=_REAL_DATA, model=f"{_SHAPE}  likelihood = gaussian(10)")
    good = spec(data=_REAL_DATA, model=f"{_SHAPE}  likelihood = gaussian")
