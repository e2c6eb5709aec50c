"""The shapes of all layers, without torch: the source of parameter counts and FLOPs.

Names are those of the modules in `hvaedsl.nn`; a test compares these shapes with the modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import EncoderBlock, Head, MixIn, Operation, Pool, State, Stem, TopDownBlock, shape_of
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.custom import Measured
from hvaedsl.ir.fourier import Exponents, with_features
from hvaedsl.ir.pooling import wavelet_of


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

    def flops(self, pixels: int) -> int:
        """Multiplications and additions for one image, without the bias."""
        return 2 * self.in_channels * self.out_channels * self.kernel**2 * pixels


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


def convolutions(op: Operation) -> tuple[Convolution, ...]:
    """The convolutions of one operation."""
    match op:
        case Stem():
            return (Convolution("", op.in_channels, op.channels, op.kernel),)
        case EncoderBlock():
            return bottleneck("", op.channels, op.mid, op.channels, op.kernel, op.features)
        case TopDownBlock():
            return tuple(_cell(op))
        case Head():
            return (Convolution("out_conv", op.channels, op.outputs, 1),) if op.outputs else ()
        case Pool() | State() | MixIn():
            return ()


def _cell(op: TopDownBlock) -> Iterator[Convolution]:
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
            yield from bottleneck(f"{part.name}.", op.channels, op.mid, op.channels, op.kernel, op.resnet_features)
        else:
            yield Convolution(part.name, sum(read[item] for item in part.reads), op.channels, 1)


def arrays(op: Operation) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The parameters of one operation outside convolutions: learned states, and the head's gain and bias.

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
    of_custom = op.measured.parameter_count if isinstance(op, (TopDownBlock, Head)) and op.measured else 0
    of_arrays = sum(math.prod(shape) for _, shape in arrays(op))
    return sum(conv.parameters for conv in convolutions(op)) + of_arrays + of_custom


def flops(op: Operation) -> int:
    """FLOPs of the convolutions and wavelet transforms of one application to one image."""
    match op:
        case Pool() if wavelet_of(op.method):
            return _transform_flops(op.in_channels, op.size, op.size_at(op.to))
        case MixIn() if wavelet_of(op.embedding):
            return _transform_flops(op.channels, op.size_at(op.source), op.size)
        case TopDownBlock(measured=Measured(flops=measured)) | Head(measured=Measured(flops=measured)):
            return measured
        case _:
            return sum(conv.flops(op.pixels) for conv in convolutions(op))


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
