"""The bridge: the ordered operations of both passes over the hierarchy of resolutions.

An encoder of residual blocks and poolings goes down from the image resolution; a decoder of top-down blocks and
mix-ins goes up. Each operation has a resolution, its channels, and the weights that it applies (group, application); a
top-down block also has the encoder activation that it reads and the number of its stochastic layer.
Falck, Williams et al. 2022, section 3, interpret the passes as a discretized diffusion over a multi-resolution bridge.

The compiler makes these records and does not validate them; pydantic does when a text is read
(`hvaedsl.ir.bridge_text`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from operator import attrgetter
from typing import ClassVar, Literal

from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.cells import CellReference
from hvaedsl.ir.custom import Measured
from hvaedsl.ir.fourier import Exponents
from hvaedsl.ir.image_size import columns_at
from hvaedsl.ir.pooling import Embedding, Pooling
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK, BlockReference

Stack = Literal["encoder", "decoder"]
# The norm that a state is divided by: over each image or over the batch; the l2 norm or the root mean square.
Normalization = Literal["sample_l2", "sample_rms", "batch_l2", "batch_rms"]

# Whether an application computes what its posterior makes of the activation alone, or takes it from an earlier one.
Hoisted = Literal["read", "again"]


class Placed:
    """What all operations have: a state of `resolution` rows, and as many columns unless `columns` says otherwise."""

    __slots__ = ()
    resolution: int
    columns: int | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the state."""
        return self.resolution, self.columns or self.resolution

    @property
    def pixels(self) -> int:
        """The number of positions of the state."""
        return self.resolution * (self.columns or self.resolution)

    def size_at(self, resolution: int) -> tuple[int, int]:
        """Height and width of a state at another resolution: all have the ratio of the image."""
        return resolution, resolution if self.columns is None else columns_at(resolution, *self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem(Placed):
    """The convolution from the image, with its Fourier features if any, to the first encoder state."""

    kind: ClassVar[str] = "stem"
    resolution: int
    in_channels: int
    channels: int
    kernel: int = 3
    features: Exponents = ()
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderBlock(Placed):
    """One application of a residual block in the encoder; `features` extend the input of its first convolution."""

    kind: ClassVar[str] = "encoder_block"
    resolution: int
    channels: int
    mid: int
    kernel: int
    group: str
    application: int
    block: BlockReference = DEFAULT_BLOCK
    features: Exponents = ()
    normalize: Normalization | None = None  # of its output
    measured_block: Measured | None = field(default=None, compare=False, repr=False)  # of a custom block
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Placed):
    """Pooling from `resolution` to `to`; channels are zero-padded from `in_channels` to `channels`."""

    kind: ClassVar[str] = "pool"
    resolution: int
    factor: int
    to: int
    in_channels: int
    channels: int
    method: Pooling = "average"
    normalize: Normalization | None = None  # of its output
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def is_sound(self) -> bool:
        """Whether the factor lowers the resolution and divides it."""
        return self.factor >= 2 and self.resolution % self.factor == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Placed):
    """The initial top-down state of a resolution: a learned bias, or zeros."""

    kind: ClassVar[str] = "state"
    resolution: int
    channels: int
    learned: bool
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixIn(Placed):
    """The state of `source` is upsampled, cut to `channels`, and added to the state of `resolution`."""

    kind: ClassVar[str] = "mix_in"
    resolution: int
    source: int
    channels: int
    source_channels: int
    embedding: Embedding = "nearest"
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def is_sound(self) -> bool:
        """Whether the source is lower and divides the resolution."""
        return self.source < self.resolution and self.resolution % self.source == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopDownBlock(Placed):
    """One application of a top-down block: posterior, prior, one latent, and the step of the state.

    A block that does not draw has no posterior, no layer and reads no activation. It has no z projection either if
    `latent`, the channels of z, is 0. `block` is that of its residual step; it is the default if the cell has none.
    `one_gelu`, `hoisted` and `joined` say how it computes, and not what; the optimizing passes set them.
    """

    kind: ClassVar[str] = "top_down_block"
    resolution: int
    channels: int
    mid: int
    kernel: int
    latent: int
    group: str
    application: int
    layer: int | None  # its number among the applications that draw; None if it does not draw
    reads: int | None = None  # the index of the encoder operation whose activation it reads
    cell: CellReference = "vdvae"
    block: BlockReference = DEFAULT_BLOCK
    draws: bool = True
    normalize: Normalization | None = None  # of the incoming state, after a mix-in
    branch_features: Exponents = ()  # of the inputs of posterior and prior
    z_features: Exponents = ()
    resnet_features: Exponents = ()
    one_gelu: bool = False  # posterior and prior read one GELU of the state
    hoisted: Hoisted | None = None  # what the posterior makes of the activation alone is computed apart
    joined: bool = False  # h and the projection of z are one convolution
    measured: Measured | None = field(default=None, compare=False, repr=False)  # of a custom cell
    measured_block: Measured | None = field(default=None, compare=False, repr=False)  # of a custom block
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Placed):
    """Gain and bias on the final state, and the convolution to the likelihood's parameters."""

    kind: ClassVar[str] = "head"
    resolution: int
    channels: int
    outputs: int
    image_channels: int
    likelihood: str
    levels: int = 256  # if there are more, the likelihood has another form than for up to 256
    measured: Measured | None = field(default=None, compare=False, repr=False)  # of a custom likelihood
    columns: int | None = None
    span: Span | None = field(default=None, compare=False, repr=False)


Operation = Stem | EncoderBlock | Pool | State | MixIn | TopDownBlock | Head
Block = EncoderBlock | TopDownBlock
OPERATIONS: dict[str, type[Operation]] = {
    kind.kind: kind for kind in (Stem, EncoderBlock, Pool, State, MixIn, TopDownBlock, Head)
}
# Tuples: `isinstance` takes four times as long for a union.
_ENCODER = (Stem, EncoderBlock, Pool)
_DECODER = (State, MixIn, TopDownBlock)
_TOP_DOWN = tuple(found.name for found in fields(TopDownBlock))
_values_of = attrgetter(*_TOP_DOWN)
_PUT = tuple(vars(TopDownBlock)[name].__set__ for name in _TOP_DOWN)  # of the slots, which nothing freezes
_PUT_READS = vars(TopDownBlock)["reads"].__set__
# The fields that say how an operation computes.
FORM = ("one_gelu", "hoisted", "joined")
# The fields that do not affect the shapes of tensors.
_PLACES = frozenset(("group", "application", "layer", "reads", "span"))
_SHAPES: Mapping[type[Operation], Callable[[Operation], Hashable]] = {
    kind: attrgetter(*(found.name for found in fields(kind) if found.name not in _PLACES))
    for kind in (EncoderBlock, TopDownBlock)
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Bridge:
    """The operations of a model, encoder first. Equality ignores their places in the source."""

    image_resolution: int
    image_channels: int
    image_columns: int | None = None  # of images that are not square
    operations: tuple[Operation, ...]

    def __repr__(self) -> str:
        """The block lists of both stacks; `hvaedsl.ir.bridge_text` prints every operation."""
        from hvaedsl.ir.bridge_text import block_lists  # it imports this file

        return "\n".join(f"{stack}: {entries}" for stack, entries in block_lists(self).items())

    @cached_property
    def encoder(self) -> tuple[tuple[int, Stem | EncoderBlock | Pool], ...]:
        """The operations of the encoder with their indices."""
        return tuple((i, op) for i, op in enumerate(self.operations) if isinstance(op, _ENCODER))

    @cached_property
    def decoder(self) -> tuple[tuple[int, State | MixIn | TopDownBlock], ...]:
        """The operations of the decoder with their indices."""
        return tuple((i, op) for i, op in enumerate(self.operations) if isinstance(op, _DECODER))

    @property
    def stem(self) -> Stem:
        """The first operation."""
        first = self.operations[0]
        assert isinstance(first, Stem)
        return first

    @property
    def head(self) -> Head:
        """The last operation."""
        last = self.operations[-1]
        assert isinstance(last, Head)
        return last

    def resolutions(self) -> tuple[int, ...]:
        """All resolutions of the hierarchy, the highest first."""
        return tuple(sorted({op.resolution for op in self.operations}, reverse=True))


def output_resolution(op: Stem | EncoderBlock | Pool) -> int:
    """The resolution of an encoder operation's activation."""
    return op.to if isinstance(op, Pool) else op.resolution


def bottleneck_resolution(bridge: Bridge) -> int:
    """The resolution of the encoder's last activation."""
    _, last = bridge.encoder[-1]
    return output_resolution(last)


def shape_of(op: Operation) -> Hashable:
    """A key for the shapes of all tensors of an operation; operations that differ only in names and places share it.

    A model has one operation per application, but only a few dozen shapes.
    """
    kind = type(op)
    if kind in _SHAPES:
        return kind, _SHAPES[kind](op)
    return (op, op.measured) if isinstance(op, Head) else op  # heads are equal with and without measured parameters


def weight_shape(block: Block) -> dict[str, int | str]:
    """What blocks that share weights have in common, by its name."""
    found: dict[str, int | str] = {"width": block.channels, "kernel": block.kernel, "inner channels": block.mid}
    if isinstance(block, TopDownBlock):
        found |= {"latent": block.latent, "cell": block.cell}
    return found | {"block": block.block}


def output_size(op: Stem | EncoderBlock | Pool) -> tuple[int, int]:
    """Height and width of an encoder operation's activation."""
    return op.size_at(op.to) if isinstance(op, Pool) else op.size


def stack_of(op: Operation) -> Stack:
    """The stack that an operation belongs to."""
    return "encoder" if isinstance(op, _ENCODER) else "decoder"


def reading(op: TopDownBlock, index: int | None) -> TopDownBlock:
    """The same block, which reads the activation of the operation of this index.

    It is `replace` without its constructor, in a fraction of the time: a model has one for each application.
    """
    changed = object.__new__(TopDownBlock)
    for put, value in zip(_PUT, _values_of(op), strict=True):
        put(changed, value)
    _PUT_READS(changed, index)
    return changed
