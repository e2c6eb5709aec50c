"""What a model costs: parameters, stochastic depth, latents, FLOPs and activation memory, exactly and without torch."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Operation, Stack, TopDownBlock, stack_of
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.memory import Precision, saved_bytes_in_order
from hvaedsl.ir.shapes import flops, once_a_shape, parameters


class Row(Record):
    """The cost of one resolution in one stack. The head counts to the decoder, the stem to the encoder."""

    resolution: int
    stack: Stack
    blocks: int  # applications
    weight_groups: int
    parameters: int
    latents: int
    flops_per_image: int
    float32_bytes_per_image: int
    bfloat16_bytes_per_image: int


class Cost(Record):
    """The cost of a model.

    `flops_per_image`: multiplications and additions of all convolutions and wavelet transforms in one forward pass of
    training (encoder, posterior and prior), for one image. A backward pass takes about twice as many.
    """

    rows: tuple[Row, ...]
    uncounted: tuple[str, ...] = ()  # one's own parts, which count nothing until they are imported and measured

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return sum(row.parameters for row in self.rows)

    @property
    def stochastic_depth(self) -> int:
        """Latents drawn one after another: top-down blocks, repeats counted."""
        return sum(row.blocks for row in self.rows if row.stack == "decoder")

    @property
    def latents(self) -> int:
        """Scalars in all z of one image."""
        return sum(row.latents for row in self.rows)

    @property
    def flops_per_image(self) -> int:
        """See the class."""
        return sum(row.flops_per_image for row in self.rows)

    def activation_bytes(self, batch: int, precision: Precision = "float32") -> int:
        """Bytes that autograd keeps for the backward pass of a training step on `batch` images.

        Counted from the tensors that the layers save, in eager mode; `bfloat16` is automatic mixed precision. It holds
        neither weights, gradients and optimiser state nor the convolutions' workspace. With activation checkpointing
        less is kept: `hvaedsl.passes.checkpointing`.
        """
        per_image = (
            row.float32_bytes_per_image if precision == "float32" else row.bfloat16_bytes_per_image for row in self.rows
        )
        return batch * sum(per_image)


def cost(bridge: Bridge) -> Cost:
    """The cost, resolution by resolution: the encoder downwards, then the decoder upwards."""
    rows: dict[tuple[Stack, int], list[Operation]] = {}
    for op in bridge.operations:
        rows.setdefault((stack_of(op), op.resolution), []).append(op)
    counted: set[tuple[Stack, str]] = set()
    order = sorted(rows, key=lambda row: (row[0] != "encoder", -row[1] if row[0] == "encoder" else row[1]))
    found = tuple(_row(stack, resolution, rows[stack, resolution], counted) for stack, resolution in order)
    return Cost(found, tuple(dict.fromkeys(_uncounted(bridge))))


def _uncounted(bridge: Bridge) -> Iterator[str]:
    for op in bridge.operations:
        if isinstance(op, TopDownBlock) and is_custom(op.cell) and op.measured is None:
            yield op.cell
    if not bridge.head.outputs and bridge.head.measured is None:
        yield bridge.head.likelihood.strip('"')


def _row(stack: Stack, resolution: int, ops: list[Operation], counted: set[tuple[Stack, str]]) -> Row:
    blocks = [op for op in ops if isinstance(op, EncoderBlock | TopDownBlock)]
    owners = list(_owners(stack, ops, counted))
    return Row(
        resolution=resolution,
        stack=stack,
        blocks=len(blocks),
        weight_groups=sum(isinstance(op, EncoderBlock | TopDownBlock) for op in owners),
        parameters=sum(map(once_a_shape(parameters), owners)),
        latents=sum(op.latent * resolution**2 for op in blocks if isinstance(op, TopDownBlock)),
        flops_per_image=sum(map(once_a_shape(flops), ops)),
        float32_bytes_per_image=sum(saved_bytes_in_order(ops, 4)),
        bfloat16_bytes_per_image=sum(saved_bytes_in_order(ops, 2)),
    )


def _owners(stack: Stack, ops: list[Operation], counted: set[tuple[Stack, str]]) -> Iterator[Operation]:
    """The operations that bring weights of their own: the first application of each group, and what is no block."""
    for op in ops:
        if isinstance(op, EncoderBlock | TopDownBlock):
            if (stack, op.group) in counted:
                continue
            counted.add((stack, op.group))
        yield op
