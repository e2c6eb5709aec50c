"""The memory of a training step: what grows with its images, and what does not."""

from __future__ import annotations

from fractions import Fraction

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.memory import Precision

GIB = 2**30
# Weights, gradients, AdamW's two moments and the averaged weights, in float32.
BYTES_PER_PARAMETER = 5 * 4
# Autocast keeps a copy of the convolutions' weights for the backward pass.
BFLOAT16_COPY_BYTES = 2
# The share of the room for activations that a choice may fill; workspace and fragmentation take the rest.
FILLED = 0.9


class StepMemory(Record):
    """Bytes of a training step on one process: `weight_bytes`, and `image_bytes` for each image of a forward pass."""

    weight_bytes: int
    image_bytes: int

    def needed(self, images: int) -> int:
        """Bytes with this many images at once."""
        return self.weight_bytes + images * self.image_bytes

    def fits(self, images: int, available: int) -> bool:
        """Whether a step with this many images at once fits into `available` bytes."""
        return self.needed(images) <= available

    def most_images(self, available: int) -> int:
        """The most images at once that fit into `available` bytes with room for workspace; 0 if not even one does."""
        return max(0, int(FILLED * (available - self.weight_bytes) // self.image_bytes))


def bytes_of(gib: float) -> int:
    """Bytes of a number of GiB, rounded down; exact, so that a large number does not overflow."""
    return int(Fraction(gib) * GIB)


def weight_bytes(parameters: int, precision: Precision) -> int:
    """Bytes of everything that has a value for each parameter."""
    return parameters * (BYTES_PER_PARAMETER + BFLOAT16_COPY_BYTES * (precision == "bfloat16"))
