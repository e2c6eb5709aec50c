"""The unit in which a likelihood is reported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hvaedsl.ir.spec import Spec

NATS_PER_BIT = math.log(2)
# What a likelihood computes. A density can exceed 1, and depends on the scale of the values.
Gives = Literal["mass", "density", "not stated"]
UnitKey = Literal["bits_per_dim", "nats_per_image", "density_nats_per_dim"]
LABELS: Mapping[UnitKey, str] = {
    "bits_per_dim": "bits/dim",
    "nats_per_image": "nats/image",
    "density_nats_per_dim": "nats/dim (density)",
}
DENSITY: UnitKey = "density_nats_per_dim"


@dataclass(frozen=True)
class Unit:
    """Bits per dimension, nats per image, or nats per dimension of a density, by a factor on nats per dimension."""

    key: UnitKey
    per_nat_per_dim: float

    @property
    def label(self) -> str:
        """The name of the unit in tables."""
        return LABELS[self.key]

    def label_of(self, gives: Gives) -> str:
        """The name of the unit, as `label_of` has it."""
        return label_of(self.key, gives)

    def of(self, nats_per_dim: float) -> float:
        """Convert a likelihood from nats per dimension."""
        return nats_per_dim * self.per_nat_per_dim


def label_of(key: UnitKey, gives: Gives) -> str:
    """The name of a unit, with what the likelihood computes if that is no mass, or not stated."""
    mark = {"mass": "", "density": " (density)", "not stated": " (mass or density: not stated)"}[gives]
    return LABELS[key] if key == DENSITY else LABELS[key] + mark


def gives_of(model: object) -> Gives:
    """Say what the likelihood of a model computes; a custom one states it as `gives`."""
    stated = getattr(getattr(model, "likelihood", None), "gives", None)
    return stated if stated in ("mass", "density") else "not stated"


def recorded_gives(record: Mapping[str, Any]) -> Gives:
    """Say what the likelihood of a recorded bound computes: its `gives`, which a mass has not."""
    found = record.get("gives", "mass")
    return found if found in ("mass", "density") else "not stated"


def recorded(gives: Gives) -> dict[str, str]:
    """What JSON files say of a likelihood that is no mass, for `recorded_gives`; nothing for a mass."""
    return {} if gives == "mass" else {"gives": gives}


def common_gives(found: Iterable[Gives]) -> Gives:
    """What several likelihoods compute; "not stated" if they differ."""
    kinds = set(found)
    return kinds.pop() if len(kinds) == 1 else "not stated"


def dimensions(spec: Spec) -> int:
    """Return H * W * C of an image."""
    return math.prod(spec.data.shape)


def reporting_unit(spec: Spec) -> Unit:
    """Return the unit of a spec's likelihood: bits per dimension, if nothing else is usual.

    That is nats per image for binary images, as for binarized MNIST, and nats per dimension for the density of real
    values, in the unit of the file.
    """
    if spec.data.is_real:
        return Unit(DENSITY, 1.0)
    if spec.data.binarize != "none":
        return Unit("nats_per_image", float(dimensions(spec)))
    return Unit("bits_per_dim", 1 / NATS_PER_BIT)
