"""The resolved spec: every key typed, every default filled in. This is the schema of the language.

Each field has a `Key` with its type, its meaning and whether it is required. The schema has only keys that some code
reads, which `tests/test_schema.py` checks.

Validators are built on first use (`defer_build`): the compiler reads values with its own readers, one for each type of
key, and constructs the sections without validating them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.bridge import Normalization
from hvaedsl.ir.cells import CELL_NAMES
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.data_spec import Binarize as Binarize
from hvaedsl.ir.data_spec import DataSpec as DataSpec
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.fourier import FOURIER_PLACES, FourierPlace
from hvaedsl.ir.kinds import (
    BlockCall,
    BlockStack,
    ByResolution,
    Choice,
    ChoiceOrCustom,
    Either,
    Key,
    LikelihoodCall,
    Number,
    Optional,
    PoolingCall,
    Several,
    Text,
    Whole,
)
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.pooling import Pooling
from hvaedsl.ir.residual_blocks import BLOCK_NAMES, DEFAULT_BLOCK
from hvaedsl.ir.section import Section, at_resolution
from hvaedsl.ir.training import Epochs, KLSpec, TrainSpec

NllStatus = Literal["confirmed", "probable", "unverified"]
Norm = Literal["l2", "rms"]
NormalizeOver = Literal["sample", "batch"]
Processing = Literal["asynchronous", "synchronous"]
Skips = Literal["all", "none"]


_NORMALIZATIONS: Mapping[tuple[NormalizeOver, Norm], Normalization] = {
    ("sample", "l2"): "sample_l2",
    ("sample", "rms"): "sample_rms",
    ("batch", "l2"): "batch_l2",
    ("batch", "rms"): "batch_rms",
}


class FourierSpec(Section):
    """`model { fourier { } }`: sin(2^n pi x) and cos(2^n pi x) in addition to x (the paper, Tables G.8 to G.10)."""

    at: Annotated[
        tuple[FourierPlace, ...] | None,
        Key(Optional(Several(Choice(FOURIER_PLACES))), "where Fourier features are added"),
    ] = None
    exponents: Annotated[tuple[int, ...], Key(Several(Whole(-16, 16)), "the n of sin(2^n pi x) and cos(2^n pi x)")] = (
        7,
        8,
    )

    def exponents_at(self, place: FourierPlace) -> tuple[int, ...]:
        """The exponents of the features at a place; empty if it has no features."""
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
        """Both keys as one value, as in the bridge."""
        return None if self.norm is None else _NORMALIZATIONS[self.over, self.norm]


_BOTTLENECK = Number(above=0, maximum=1000)
_TEMPERATURE = Number(above=0, is_float32=True)
_CELL = ChoiceOrCustom(CELL_NAMES)
_BLOCK = BlockCall(BLOCK_NAMES)


class ModelSpec(Section):
    """`model { }`: the architecture."""

    # A map by resolution has an entry for each resolution in use, the highest first; one of equal values is the value.

    width: Annotated[int, Key(Whole(1), "channels of the residual state", required="always", example="384")]
    latent: Annotated[
        int | Mapping[int, int],
        Key(
            Either(Whole(1), ByResolution(Whole(0))),
            "channels of each z",
            required="always",
            example="16",
        ),
    ]
    encoder: Annotated[
        BlockList,
        Key(BlockStack("encoder"), "the blocks of the encoder", required="always", example="32x11, 32d2, 16x6"),
    ]
    decoder: Annotated[
        BlockList,
        Key(BlockStack("decoder"), "the blocks of the decoder", required="always", example="16x6, 32m16, 32x11"),
    ]
    widths: Annotated[
        Mapping[int, int], Key(ByResolution(Whole(1)), "channels by resolution, where they differ from width")
    ] = Field(default_factory=dict)
    bottleneck: Annotated[
        float | Mapping[int, float],
        Key(
            Either(_BOTTLENECK, ByResolution(_BOTTLENECK)),
            "channels inside a block, as a multiple of the channels of the state",
        ),
    ] = 0.25
    bias_up_to: Annotated[
        int, Key(Whole(0), "the state starts as a learned bias up to this resolution, and as zeros above")
    ] = 64
    likelihood: Annotated[Likelihood, Key(LikelihoodCall(), "the likelihood of a pixel")] = Likelihood(
        name="mixture_of_logistics", mixtures=10
    )
    cell: Annotated[
        str | Mapping[int, str],
        Key(Either(_CELL, ByResolution(_CELL)), "what a top-down block computes"),
    ] = "vdvae"
    block: Annotated[
        str | Mapping[int, str],
        Key(Either(_BLOCK, ByResolution(_BLOCK)), "the residual block of the encoder and of a cell's residual step"),
    ] = DEFAULT_BLOCK

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

    def latent_at(self, resolution: int) -> int:
        """Channels of each z at a resolution of the decoder; 0 if its blocks draw none."""
        return at_resolution(self.latent, resolution)

    def cell_at(self, resolution: int) -> str:
        """The cell of the decoder's blocks at a resolution."""
        return at_resolution(self.cell, resolution)

    def block_at(self, resolution: int) -> str:
        """The residual block of the encoder's blocks and of the cells at a resolution."""
        return at_resolution(self.block, resolution)

    def bottleneck_at(self, resolution: int) -> float:
        """The bottleneck of the blocks at a resolution."""
        return at_resolution(self.bottleneck, resolution)

    def mid_at(self, resolution: int) -> int:
        """Channels inside a block at a resolution, at least 1 (openai/vdvae: int(width * bottleneck))."""
        return max(1, int(self.width_at(resolution) * self.bottleneck_at(resolution)))

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of the decoder, each once."""
        return tuple(dict.fromkeys(self.cell.values())) if isinstance(self.cell, Mapping) else (self.cell,)


class SampleSpec(Section):
    """`sample { }`: samples from the prior."""

    temperature: Annotated[
        float | Mapping[int, float],
        Key(Either(_TEMPERATURE, ByResolution(_TEMPERATURE)), "factor on the prior's standard deviation"),
    ] = 1.0
    count: Annotated[int, Key(Whole(1), "number of samples in a picture")] = 64
    channels: Annotated[
        tuple[int, ...] | None,
        Key(Optional(Several(Whole(0, 63))), "channels that pictures show, one or three; none: the first, or colors"),
    ] = None


class PaperSpec(Section):
    """`paper { }`: the published results of this model; never inherited."""

    table: Annotated[str | None, Key(Optional(Text()), "table of the published results")] = None
    parameters: Annotated[float | None, Key(Optional(Number(above=0)), "published parameter count")] = None
    depth: Annotated[int | None, Key(Optional(Whole(1)), "published stochastic depth")] = None
    nll: Annotated[float | None, Key(Optional(Number()), "published likelihood, in the unit of the dataset")] = None
    nll_status: Annotated[
        NllStatus,
        Key(Choice(("confirmed", "probable", "unverified")), "whether the published likelihood has been verified"),
    ] = "unverified"


class Spec(BaseModel):
    """A complete, resolved spec."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    data: DataSpec
    model: ModelSpec
    train: TrainSpec
    sample: SampleSpec
    paper: PaperSpec

    @property
    def shown_channels(self) -> list[int]:
        """The channels that pictures show, one or three: those of `sample.channels`, or all of colors, or the first."""
        default = range(3) if self.data.channels == 3 else range(1)
        return list(default if self.sample.channels is None else self.sample.channels)

    def __repr__(self) -> str:
        """The spec as `hvaedsl show` prints it."""
        from hvaedsl.ir.spec_text import spec_text  # it imports this file

        return spec_text(self)

    __str__ = __repr__


AUGMENT_FUNCTION = "train.augment.function"


def custom_parts(spec: Spec) -> dict[str, str]:
    """The custom parts of a spec: the reference `package.module:Name` by its key, such as `model.cell`.

    Of a map of cells or blocks, by the key of its entry: `model.cell.8`.
    """
    named = {
        "data.dataset": spec.data.dataset,
        **_by_entry("model.cell", spec.model.cell),
        **_by_entry("model.block", spec.model.block),
        "model.likelihood": spec.model.likelihood.reference or "",
        AUGMENT_FUNCTION: spec.train.augment.function or "",
    }
    return {key: reference for key, reference in named.items() if is_custom(reference)}


def _by_entry(key: str, value: str | Mapping[int, str]) -> dict[str, str]:
    """The names in a value: that of the key, or those of the entries of its map."""
    return {f"{key}.{at}": name for at, name in value.items()} if isinstance(value, Mapping) else {key: value}


def custom_model_parts(spec: Spec) -> dict[str, str]:
    """The custom parts of a spec that are in the model: they have parameters, and are measured."""
    return {key: reference for key, reference in custom_parts(spec).items() if key.startswith("model.")}


# The keys that `known_steps` reads.
LENGTH_KEYS = ("train.steps", "train.batch_size", "data.dataset", "data.validation")


def known_steps(spec: Spec) -> int | None:
    """The steps of a training; None without steps, and for epochs over an unknown number of images."""
    train, dataset = spec.train, DATASETS.get(spec.data.dataset)
    if not isinstance(train.steps, Epochs):
        return train.steps
    if dataset is None or train.batch_size is None:
        return None
    return train.steps.steps(dataset.training_images(spec.data.validation), train.batch_size)


# The sections by dotted path; a nested section comes after the outer one.
SECTIONS: Mapping[str, type[Section]] = {
    "data": DataSpec,
    "model": ModelSpec,
    "model.fourier": FourierSpec,
    "model.normalize_state": NormalizeSpec,
    "train": TrainSpec,
    "train.kl": KLSpec,
    "train.augment": AugmentSpec,
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
    """The keys of a section by name, in the order of the schema."""
    return {name: key for name, field in section.model_fields.items() for key in field.metadata if isinstance(key, Key)}
