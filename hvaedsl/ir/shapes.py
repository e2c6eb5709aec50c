"""The shapes of all layers, without torch: the source of parameter counts and FLOPs.

Names are those of the modules in `hvaedsl.nn`; a test compares these shapes with the modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Block, EncoderBlock, Head, MixIn, Operation, Pool, State, Stem, TopDownBlock, shape_of
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.cells.kind import RESIDUAL_STEP
from hvaedsl.ir.custom import Measured
from hvaedsl.ir.fourier import Exponents, with_features
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.ir.residual_blocks import block_kind

# The name of a parameter and its shape.
Array = tuple[str, tuple[int, ...]]


class Convolution(Record):
    """A convolution with bias, stride 1 and same padding."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int

    @property
    def parameters(self) -> int:
        """The number of weights and biases."""
        return self.out_channels * (self.in_channels * self.kernel**2 + 1)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Its parameters."""
        shape = (self.out_channels, self.in_channels, self.kernel, self.kernel)
        return (("weight", shape), ("bias", (self.out_channels,)))

    def flops(self, pixels: int) -> int:
        """Multiplications and additions for one image, without the bias."""
        return 2 * self.in_channels * self.out_channels * self.kernel**2 * pixels


class GroupNormalization(Record):
    """A normalization of groups of channels, with a factor and a bias for each channel. Its FLOPs are not counted."""

    name: str
    channels: int

    @property
    def parameters(self) -> int:
        """The number of factors and biases."""
        return 2 * self.channels

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Its parameters."""
        return (("weight", (self.channels,)), ("bias", (self.channels,)))

    def flops(self, pixels: int) -> int:  # noqa: ARG002 - as the FLOPs of the other layers
        """None."""
        return 0


class SelfAttention(Record):
    """Every position reads all positions: q k^T, and its softmax times v; no parameters."""

    name: str
    channels: int  # of q, k and v, in all heads together
    parameters: int = 0
    arrays: tuple[Array, ...] = ()

    def flops(self, pixels: int) -> int:
        """Multiplications and additions for one image, without the softmax."""
        return 4 * self.channels * pixels**2


Layer = Convolution | GroupNormalization | SelfAttention


def bottleneck(
    name: str, in_channels: int, mid: int, out_channels: int, kernel: int, features: Exponents
) -> tuple[Convolution, ...]:
    """The four convolutions of a bottleneck block (openai/vdvae, Block), the first with its Fourier features."""
    return (
        Convolution(f"{name}c1", with_features(in_channels, features), mid, 1),
        Convolution(f"{name}c2", mid, mid, kernel),
        Convolution(f"{name}c3", mid, mid, kernel),
        Convolution(f"{name}c4", mid, out_channels, 1),
    )


def _residual_block(name: str, op: Block, features: Exponents) -> tuple[Layer, ...]:
    """The layers of the residual block of an operation, in their order; none of a custom block."""
    kind = block_kind(op.block)
    if kind is None:
        return ()
    found: tuple[Layer, ...] = bottleneck(name, op.channels, op.mid, op.channels, op.kernel, features)
    if kind.attends:
        found += (
            GroupNormalization(f"{name}norm", op.channels),
            Convolution(f"{name}qkv", op.channels, 3 * op.channels, 1),
            SelfAttention(f"{name}attention", op.channels),
            Convolution(f"{name}out", op.channels, op.channels, 1),
        )
    return found


def layers(op: Operation) -> tuple[Layer, ...]:
    """The layers of one operation, without those of custom parts."""
    match op:
        case Stem():
            return (Convolution("", op.in_channels, op.channels, op.kernel),)
        case EncoderBlock():
            return _residual_block("", op, op.features)
        case TopDownBlock():
            return tuple(_cell(op))
        case Head():
            return (Convolution("out_conv", op.channels, op.outputs, 1),) if op.outputs else ()
        case Pool() | State() | MixIn():
            return ()


def _cell(op: TopDownBlock) -> Iterator[Layer]:
    kind = cell_kind(op.cell)
    if kind is None:
        return
    if op.draws:
        yield from bottleneck("posterior.", 2 * op.channels, op.mid, 2 * op.latent, op.kernel, op.branch_features)
    if prior_outputs := 2 * op.latent + op.channels * kind.gives_h:
        yield from bottleneck("prior.", op.channels, op.mid, prior_outputs, op.kernel, op.branch_features)
    read = {"x": op.channels, "z": with_features(op.latent, op.z_features)}
    for part in kind.parts_of(draws=op.draws):
        if part.bottleneck:
            yield from _residual_block(f"{part.name}.", op, op.resnet_features)
        else:
            yield Convolution(part.name, sum(read[item] for item in part.reads), op.channels, 1)


def measured_parts(op: Operation) -> Iterator[tuple[str, Measured]]:
    """The custom parts of one operation that have been measured, each with the name of its module within it."""
    if isinstance(op, (TopDownBlock, Head)) and op.measured is not None:
        yield "", op.measured
    if isinstance(op, EncoderBlock) and op.measured_block is not None:
        yield "", op.measured_block
    if isinstance(op, TopDownBlock) and op.measured_block is not None:
        yield RESIDUAL_STEP.name, op.measured_block


def arrays(op: Operation) -> tuple[Array, ...]:
    """The parameters of one operation outside its layers: learned states, and the head's gain and bias.

    Those of custom parts are not included; `parameters` counts them.
    """
    match op:
        case State(learned=True):
            return (("bias", (1, op.channels, *op.size)),)
        case Head():
            return (("gain", (1, op.channels, 1, 1)), ("bias", (1, op.channels, 1, 1)))
        case _:
            return ()


def parameters(op: Operation) -> int:
    """The number of parameters of one operation."""
    of_custom = sum(measured.parameter_count for _, measured in measured_parts(op))
    of_arrays = sum(math.prod(shape) for _, shape in arrays(op))
    return sum(layer.parameters for layer in layers(op)) + of_arrays + of_custom


def flops(op: Operation) -> int:
    """FLOPs of the convolutions, attention and wavelet transforms of one application to one image.

    What an earlier application has computed for a hoisted block counts there.
    """
    match op:
        case Pool() if wavelet_of(op.method):
            return _transform_flops(op.in_channels, op.size, op.size_at(op.to))
        case MixIn() if wavelet_of(op.embedding):
            return _transform_flops(op.channels, op.size_at(op.source), op.size)
        case _:
            of_custom = sum(measured.flops for _, measured in measured_parts(op))
            taken = 0
            if isinstance(op, TopDownBlock) and op.hoisted == "again":
                taken = Convolution("", op.channels, op.mid, 1).flops(op.pixels)
            return sum(layer.flops(op.pixels) for layer in layers(op)) + of_custom - taken


def _transform_flops(channels: int, before: tuple[int, int], after: tuple[int, int]) -> int:
    """FLOPs of a matrix [after, before] applied to the rows and then another to the columns of every channel."""
    height, width = before
    height_after, width_after = after
    return 2 * channels * width_after * height * (width + height_after)


_MAX_SHAPES = 4_096


def once_a_shape(count: Callable[[Operation], int]) -> Callable[[Operation], int]:
    """Cache a count by the shape of the operation."""
    known: dict[Hashable, int] = {}

    def counted(op: Operation) -> int:
        shape = shape_of(op)
        found = known.get(shape)
        if found is None:
            if len(known) >= _MAX_SHAPES:
                known.clear()
            found = known[shape] = count(op)
        return found

    return counted
