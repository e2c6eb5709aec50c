"""The unit in which a likelihood is reported."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hvaedsl.ir.spec import Spec

NATS_PER_BIT = math.log(2)
# What a likelihood computes. A density can exceed 1, and depends on the scale of the values.
Gives = Literal["mass", "density", "not stated"]


@dataclass(frozen=True)
class Unit:
    """Bits per dimension, or nats per image; `per_nat_per_dim` converts from nats per dimension."""

    key: Literal["bits_per_dim", "nats_per_image"]
    per_nat_per_dim: float

    @property
    def label(self) -> str:
        """The name of the unit in tables."""
        return "bits/dim" if self.key == "bits_per_dim" else "nats/image"

    def of(self, nats_per_dim: float) -> float:
        """Convert a likelihood from nats per dimension."""
        return nats_per_dim * self.per_nat_per_dim


def gives_of(model: object) -> Gives:
    """Say what the likelihood of a model computes; a custom one states it as `gives`."""
    stated = getattr(getattr(model, "likelihood", None), "gives", None)
    return stated if stated in ("mass", "density") else "not stated"


def dimensions(spec: Spec) -> int:
    """Return H * W * C of an image."""
    return math.prod(spec.data.shape)


def reporting_unit(spec: Spec) -> Unit:
    """Return nats per image for binary images, as is usual for binarized MNIST, and bits per dimension for others."""
    if spec.data.binarize != "none":
        return Unit("nats_per_image", float(dimensions(spec)))
    return Unit("bits_per_dim", 1 / NATS_PER_BIT)
