"""The cost of a model: parameters, stochastic depth, latents, FLOPs and activation memory, exact and without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Operation, Pool, Stack, State, Stem, TopDownBlock, stack_of
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.memory import BYTES, Precision
from hvaedsl.ir.shapes import flops, once_a_shape, parameters
from hvaedsl.ir.storages import model_storages


class Row(Record):
    """The cost of one resolution of one stack. The stem belongs to the encoder, the head to the decoder."""

    resolution: int
    stack: Stack
    blocks: int  # applications
    stochastic_layers: int  # applications that draw a latent
    weight_groups: int
    parameters: int
    latents: int
    flops_per_image: int
    float32_bytes_per_image: int
    bfloat16_bytes_per_image: int


_BLOCKS = (EncoderBlock, TopDownBlock)
# Models have few shapes, and different models have many in common.
_parameters, _flops = once_a_shape(parameters), once_a_shape(flops)
# The figures of a row that are summed, in the order of its fields.
_FIGURES = (
    "blocks",
    "weight_groups",
    "parameters",
    "latents",
    "flops_per_image",
    "float32_bytes_per_image",
    "bfloat16_bytes_per_image",
)


class Cost(Record):
    """The cost of a model.

    `flops_per_image` counts the multiplications and additions of all convolutions, attention and wavelet transforms in
    one forward pass of training (encoder, posterior and prior) for one image. A backward pass takes about twice as
    many.
    """

    rows: tuple[Row, ...]
    uncounted: tuple[str, ...] = ()  # custom parts that have not been imported and measured; they count as 0

    def __repr__(self) -> str:
        """A table of the rows, their sums, and what is not counted; `hvaedsl compile` prints it with units."""
        total = ("total", "", *(f"{sum(getattr(row, name) for row in self.rows):,}" for name in _FIGURES))
        rows = [
            (row.stack, str(row.resolution), *(f"{getattr(row, name):,}" for name in _FIGURES)) for row in self.rows
        ]
        headings = ("stack", "resolution", *(name.replace("_", " ") for name in _FIGURES))
        widths = [max(map(len, column)) for column in zip(headings, *rows, total, strict=True)]

        lines = [
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (headings, *rows, total)
        ]
        return "\n".join([*lines, *(f"not counted: {part}" for part in self.uncounted)])

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def stochastic_depth(self) -> int:
        """The number of latents drawn in sequence: applications of top-down blocks that draw one."""
        return sum(row.stochastic_layers for row in self.rows)

    @property
    def latents(self) -> int:
        """The number of scalars in all z of one image."""
        return sum(row.latents for row in self.rows)

    @property
    def flops_per_image(self) -> int:
        """FLOPs of a forward pass; see the class."""
        return sum(row.flops_per_image for row in self.rows)

    def activation_bytes(self, batch: int, precision: Precision = "float32") -> int:
        """Bytes that autograd keeps for the backward pass of a training step with `batch` images.

        Counted from the tensors that the layers save in eager mode; `bfloat16` means automatic mixed precision.
        Weights, gradients, optimizer state and convolution workspace are not included. For activation checkpointing
        see `hvaedsl.passes.checkpointing`.
        """
        per_image = (
            row.float32_bytes_per_image if precision == "float32" else row.bfloat16_bytes_per_image for row in self.rows
        )
        return batch * sum(per_image)


def cost(bridge: Bridge) -> Cost:
    """The cost by resolution: the encoder from high to low, then the decoder from low to high."""
    rows: dict[tuple[Stack, int], list[int]] = {}
    for index, op in enumerate(bridge.operations):
        rows.setdefault((stack_of(op), op.resolution), []).append(index)
    kept = {precision: model_storages(bridge, size).bytes_by_operation() for precision, size in BYTES.items()}

    counted: set[tuple[Stack, str]] = set()
    order = sorted(rows, key=lambda row: (row[0] != "encoder", -row[1] if row[0] == "encoder" else row[1]))
    found = tuple(_row(bridge, kept, place, rows[place], counted) for place in order)
    return Cost(found, tuple(dict.fromkeys(_uncounted(bridge))))


def parameter_count(bridge: Bridge) -> int:
    """`Cost.parameters` without the rest of the cost, which no spec needs to be checked."""
    counted: set[tuple[Stack, str]] = set()
    owners = [*_owners("encoder", [op for _, op in bridge.encoder], counted)]
    owners += [*_owners("decoder", [op for _, op in bridge.decoder], counted), bridge.head]
    return sum(map(_parameters, owners))


def stochastic_depth(bridge: Bridge) -> int:
    """`Cost.stochastic_depth` without the rest of the cost."""
    return sum(isinstance(op, TopDownBlock) for _, op in bridge.decoder)


def inference_bytes(bridge: Bridge) -> int:
    """Bytes of activations that one image needs at a time without gradients, in float32: an upper estimate.

    They are the activations of the encoder that the decoder reads, the states, every z with its noise, and what the
    operation that needs most keeps in training. Weights and convolution workspace are not included.
    """
    operations = bridge.operations
    top_down = [op for op in operations if isinstance(op, TopDownBlock)]
    read = {op.reads for op in top_down if op.reads is not None}
    states = [op for op in operations if isinstance(op, State)]

    kept = sum(_output_values(operations[index]) for index in read) + sum(map(_output_values, states))
    latents = sum(op.latent * op.pixels for op in top_down)
    largest = max(model_storages(bridge, BYTES["float32"]).bytes_by_operation())
    return 4 * (kept + 2 * latents) + largest


def _output_values(op: Operation) -> int:
    """The number of values in the output of an operation for one image; 0 for those without a state."""
    match op:
        case Pool():
            return op.channels * math.prod(op.size_at(op.to))
        case Stem() | EncoderBlock() | State():
            return op.channels * op.pixels
        case _:
            return 0


def _uncounted(bridge: Bridge) -> Iterator[str]:
    for op in bridge.operations:
        if isinstance(op, TopDownBlock) and is_custom(op.cell) and op.measured is None:
            yield op.cell
        if isinstance(op, _BLOCKS) and is_custom(op.block) and op.measured_block is None:
            yield op.block
    if not bridge.head.outputs and bridge.head.measured is None:
        yield bridge.head.likelihood.strip('"')


def _row(
    bridge: Bridge,
    kept: Mapping[Precision, Sequence[int]],
    place: tuple[Stack, int],
    indices: Sequence[int],
    counted: set[tuple[Stack, str]],
) -> Row:
    stack, resolution = place
    ops = [bridge.operations[index] for index in indices]
    blocks = [op for op in ops if isinstance(op, (EncoderBlock, TopDownBlock))]
    owners = list(_owners(stack, ops, counted))
    return Row(
        resolution=resolution,
        stack=stack,
        blocks=len(blocks),
        stochastic_layers=sum(isinstance(op, TopDownBlock) and op.draws for op in blocks),
        weight_groups=sum(isinstance(op, (EncoderBlock, TopDownBlock)) for op in owners),
        parameters=sum(map(_parameters, owners)),
        latents=sum(op.latent * op.pixels for op in blocks if isinstance(op, TopDownBlock)),
        flops_per_image=sum(map(_flops, ops)),
        float32_bytes_per_image=sum(kept["float32"][index] for index in indices),
        bfloat16_bytes_per_image=sum(kept["bfloat16"][index] for index in indices),
    )


def _owners(stack: Stack, ops: Iterable[Operation], counted: set[tuple[Stack, str]]) -> Iterator[Operation]:
    """The operations whose weights count: the first application of each group, and all that are not blocks."""
    for op in ops:
        if isinstance(op, _BLOCKS):
            if (stack, op.group) in counted:
                continue
            counted.add((stack, op.group))
        yield op
