"""The resolved spec: every key typed, every default filled in. The one table of the language's keys.

Each field carries a `Key` (what it takes, what it means, whether it must be written). A key is in this table only if
something reads it; `tests/test_schema.py` holds that.

Validators are built when one is first used (`defer_build`): the compiler reads written values itself, one reader for
each kind of key, and puts the sections together without validating them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.bridge import Normalization
from hvaedsl.ir.cells import CELL_NAMES
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.datasets import NAMES
from hvaedsl.ir.fourier import FOURIER_PLACES, FourierPlace
from hvaedsl.ir.kinds import (
    BlockStack,
    ByResolution,
    Choice,
    ChoiceOrOwn,
    Either,
    Key,
    LikelihoodCall,
    Number,
    Optional,
    Pair,
    PoolingCall,
    Several,
    Text,
    Whole,
)
from hvaedsl.ir.pooling import Pooling

Binarize = Literal["none", "threshold", "dynamic"]
LearningRateSchedule = Literal["constant", "cosine", "step"]
NllStatus = Literal["confirmed", "probable", "unverified"]
Norm = Literal["l2", "rms"]
NormalizeOver = Literal["sample", "batch"]
Processing = Literal["asynchronous", "synchronous"]
Skips = Literal["all", "none"]
Precision = Literal["float32", "tf32", "bfloat16"]


_NORMALIZATIONS: Mapping[tuple[NormalizeOver, Norm], Normalization] = {
    ("sample", "l2"): "sample_l2",
    ("sample", "rms"): "sample_rms",
    ("batch", "l2"): "batch_l2",
    ("batch", "rms"): "batch_rms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """The likelihood of a pixel: `bernoulli`, a discretised mixture of `mixtures` logistics, or one's own."""

    name: Literal["bernoulli", "mixture_of_logistics", "own"]
    mixtures: int = 0
    bits: int | None = None
    reference: str | None = None  # of one's own: package.module:Name

    def outputs(self, channels: int) -> int:
        """Channels of the last convolution: 1, 3k for grey and 10k for colour images; 0 of one's own, which knows."""
        if self.name == "own":
            return 0
        if self.name == "bernoulli":
            return 1
        return self.mixtures * (10 if channels == 3 else 3)

    def __str__(self) -> str:
        """The likelihood as it is written."""
        if self.reference is not None:
            return f'"{self.reference}"'
        if self.name == "bernoulli":
            return self.name
        return f"{self.name}({self.mixtures}{f', bits = {self.bits}' if self.bits else ''})"


class Section(BaseModel):
    """The base of the sections."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)


class DataSpec(Section):
    """`data { }`: the images."""

    dataset: Annotated[str, Key(ChoiceOrOwn(NAMES), "the data set", required="always", example="cifar10")]
    path: Annotated[
        str | None, Key(Optional(Text()), "where the files are; else HVAEDSL_DATA, else a cache folder")
    ] = None
    channels: Annotated[
        int, Key(Whole(1, 3), "channels of an image, 1 or 3; to be written for npy and folder", example="3")
    ]
    resolution: Annotated[
        int, Key(Whole(1), "height and width of an image; to be written for npy and folder", example="32")
    ]
    levels: Annotated[
        int, Key(Whole(2, 256), "values that a pixel can have; from the data set, else 256", example="256")
    ]
    validation: Annotated[
        int, Key(Whole(0), "images held out of the training set; a default for each data set", example="1000")
    ]
    split_seed: Annotated[int, Key(Whole(0), "seed of the split")] = 0
    binarize: Annotated[
        Binarize,
        Key(Choice(("none", "threshold", "dynamic")), "grey values to {0, 1}; dynamic under bernoulli, else none"),
    ]


class FourierSpec(Section):
    """`model { fourier { } }`: sin(2^n pi x) and cos(2^n pi x) beside x (the paper, Tables G.8 to G.10)."""

    at: Annotated[
        tuple[FourierPlace, ...] | None,
        Key(Optional(Several(Choice(FOURIER_PLACES))), "where Fourier features are added"),
    ] = None
    exponents: Annotated[tuple[int, ...], Key(Several(Whole(-16, 16)), "the n of sin(2^n pi x) and cos(2^n pi x)")] = (
        7,
        8,
    )

    def exponents_at(self, place: FourierPlace) -> tuple[int, ...]:
        """The exponents of the features at a place; none where there are no features."""
        return self.exponents if place in (self.at or ()) else ()


class NormalizeSpec(Section):
    """`model { normalize_state { } }`: the state divided by its norm (the ablation of the paper, Table 2)."""

    over: Annotated[
        NormalizeOver, Key(Choice(("sample", "batch")), "one norm for each image, or one for the batch")
    ] = "sample"
    norm: Annotated[
        Norm | None,
        Key(Optional(Choice(("l2", "rms"))), "the norm that the state is divided by; none leaves it as it is"),
    ] = None

    @property
    def normalization(self) -> Normalization | None:
        """Both keys in one word, as the bridge has it."""
        return None if self.norm is None else _NORMALIZATIONS[self.over, self.norm]


class ModelSpec(Section):
    """`model { }`: the architecture."""

    width: Annotated[int, Key(Whole(1), "channels of the residual state", required="always", example="384")]
    latent: Annotated[int, Key(Whole(1), "channels of each z", required="always", example="16")]
    encoder: Annotated[
        BlockList,
        Key(BlockStack("encoder"), "the blocks of the encoder", required="always", example="32x11, 32d2, 16x6"),
    ]
    decoder: Annotated[
        BlockList,
        Key(BlockStack("decoder"), "the blocks of the decoder", required="always", example="16x6, 32m16, 32x11"),
    ]
    widths: Annotated[Mapping[int, int], Key(ByResolution(Whole(1)), "channels where they differ from width")] = Field(
        default_factory=dict
    )
    bottleneck: Annotated[
        float, Key(Number(above=0, maximum=1), "channels inside a block over channels of the state")
    ] = 0.25
    bias_up_to: Annotated[
        int, Key(Whole(0), "the state begins as a learned bias up to this resolution, as zeros above")
    ] = 64
    likelihood: Annotated[Likelihood, Key(LikelihoodCall(), "the likelihood of a pixel")] = Likelihood(
        name="mixture_of_logistics", mixtures=10
    )
    cell: Annotated[str, Key(ChoiceOrOwn(CELL_NAMES), "what a top-down block computes")] = "vdvae"

    processing: Annotated[
        Processing, Key(Choice(("asynchronous", "synchronous")), "which encoder activation a decoder block reads")
    ] = "asynchronous"

    skips: Annotated[
        Skips, Key(Choice(("all", "none")), "whether decoder blocks above the bottleneck read the encoder")
    ] = "all"
    pooling: Annotated[Pooling, Key(PoolingCall(), "how the encoder lowers the resolution")] = "average"
    fourier: FourierSpec = FourierSpec.model_construct()
    normalize_state: NormalizeSpec = NormalizeSpec.model_construct()

    def width_at(self, resolution: int) -> int:
        """Channels of the residual state at a resolution."""
        return self.widths.get(resolution, self.width)

    def mid_at(self, resolution: int) -> int:
        """Channels inside a block at a resolution, at least 1 (openai/vdvae: int(width * bottleneck))."""
        return max(1, int(self.width_at(resolution) * self.bottleneck))


class KLSpec(Section):
    """`train { kl { } }`: how the rate enters the training objective. Evaluation always takes the whole bound."""

    warmup_steps: Annotated[int, Key(Whole(0), "steps over which the weight of the rate rises from 0 to 1")] = 0
    free_nats: Annotated[
        float, Key(Number(minimum=0), "a layer's KL below this, per image, costs this and is not pressed down")
    ] = 0.0
    sampled_layers: Annotated[
        int | None, Key(Optional(Whole(1)), "layers whose KL a step adds up, scaled to all; none takes every layer")
    ] = None


class TrainSpec(Section):
    """`train { }`: the training run."""

    steps: Annotated[int | None, Key(Whole(1), "optimisation steps", required="to train", example="100k")] = None
    batch_size: Annotated[
        int | None, Key(Whole(1), "images per process and step", required="to train", example="16")
    ] = None
    learning_rate: Annotated[
        float | None, Key(Number(above=0), "AdamW's learning rate", required="to train", example="2e-4")
    ] = None
    lr_warmup_steps: Annotated[int, Key(Whole(0), "steps of linear warm-up")] = 100
    lr_schedule: Annotated[
        LearningRateSchedule, Key(Choice(("constant", "cosine", "step")), "the learning rate after the warm-up")
    ] = "constant"
    weight_decay: Annotated[float, Key(Number(minimum=0), "AdamW's weight decay, on all parameters")] = 0.01
    betas: Annotated[tuple[float, float], Key(Pair(Number(minimum=0, below=1)), "AdamW's betas")] = (0.9, 0.9)
    clip_norm: Annotated[float | None, Key(Optional(Number(above=0)), "the gradient norm is clipped to this")] = 200.0
    skip_above: Annotated[
        float | None, Key(Optional(Number(above=0)), "no update where the gradient norm reaches this")
    ] = None
    ema_decay: Annotated[float, Key(Number(minimum=0, below=1), "decay of the averaged weights")] = 0.999
    precision: Annotated[Precision, Key(Choice(("float32", "tf32", "bfloat16")), "arithmetic of the forward pass")] = (
        "float32"
    )
    recompute_every: Annotated[
        int | None, Key(Optional(Whole(1)), "activations are kept every so many blocks, and recomputed in between")
    ] = None
    gpu_memory: Annotated[
        float | None, Key(Optional(Number(above=0)), "GiB of the GPU that is trained on; lint says what does not fit")
    ] = None
    seed: Annotated[int, Key(Whole(0), "seed of weights, order, noise and binarisation")] = 0
    eval_every: Annotated[int, Key(Whole(1), "steps between two evaluations")] = 1000
    save_every: Annotated[int, Key(Whole(1), "steps between two checkpoints")] = 1000
    kl: KLSpec = KLSpec.model_construct()


class TrainingSpec(TrainSpec):
    """A `train { }` that is complete: what `Program.training()` gives."""

    steps: int
    batch_size: int
    learning_rate: float


class SampleSpec(Section):
    """`sample { }`: pictures drawn from the prior."""

    temperature: Annotated[
        float | Mapping[int, float],
        Key(Either(Number(above=0), ByResolution(Number(above=0))), "factor on the prior's standard deviation"),
    ] = 1.0
    count: Annotated[int, Key(Whole(1), "how many samples a picture shows")] = 64


class PaperSpec(Section):
    """`paper { }`: what was published of this model; never inherited."""

    table: Annotated[str | None, Key(Optional(Text()), "where the figures stand")] = None
    parameters: Annotated[float | None, Key(Optional(Number(above=0)), "published parameter count")] = None
    depth: Annotated[int | None, Key(Optional(Whole(1)), "published stochastic depth")] = None
    nll: Annotated[float | None, Key(Optional(Number()), "published likelihood, in the data set's unit")] = None
    nll_status: Annotated[
        NllStatus, Key(Choice(("confirmed", "probable", "unverified")), "how sure the published likelihood is")
    ] = "unverified"


class Spec(BaseModel):
    """A whole spec, resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    data: DataSpec
    model: ModelSpec
    train: TrainSpec
    sample: SampleSpec
    paper: PaperSpec


def custom_parts(spec: Spec) -> dict[str, str]:
    """The parts of one's own that a spec names: the reference by the key that holds it."""
    named = {
        "data.dataset": spec.data.dataset,
        "model.cell": spec.model.cell,
        "model.likelihood": spec.model.likelihood.reference or "",
    }
    return {key: reference for key, reference in named.items() if is_custom(reference)}


# By dotted path; a section inside another stands behind it.
SECTIONS: Mapping[str, type[Section]] = {
    "data": DataSpec,
    "model": ModelSpec,
    "model.fourier": FourierSpec,
    "model.normalize_state": NormalizeSpec,
    "train": TrainSpec,
    "train.kl": KLSpec,
    "sample": SampleSpec,
    "paper": PaperSpec,
}


def section_of(spec: Spec, path: str) -> Section:
    """The section at a dotted path, such as `train.kl`."""
    found: BaseModel = spec
    for name in path.split("."):
        found = getattr(found, name)
    assert isinstance(found, Section)
    return found


def keys(section: type[Section]) -> dict[str, Key]:
    """The keys of a section by name, in the order of the table."""
    return {name: key for name, field in section.model_fields.items() for key in field.metadata if isinstance(key, Key)}
