"""The likelihood of a pixel, as the spec says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PUBLISHED_LEVELS = 256  # up to which the published form of the mixture of logistics is used
INDEPENDENT = "channels=independent"  # of a likelihood without spaces, as the bridge has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """The likelihood of a pixel: `bernoulli`, a discretized mixture of `mixtures` logistics, or a custom one.

    `independent` channels of a mixture have the same component, and are independent given it.
    """

    name: Literal["bernoulli", "mixture_of_logistics", "custom"]
    mixtures: int = 0
    bits: int | None = None
    independent: bool = False
    reference: str | None = None  # package.module:Name of a custom likelihood

    def outputs(self, channels: int) -> int:
        """Channels of the last convolution: 1, 10k (color), or k + 2kC; 0 for a custom likelihood."""
        if self.name == "custom":
            return 0
        if self.name == "bernoulli":
            return 1
        return self.mixtures * (10 if channels == 3 and not self.independent else 1 + 2 * channels)

    def __str__(self) -> str:
        """The likelihood in the language."""
        if self.reference is not None:
            return f'"{self.reference}"'
        if self.name == "bernoulli":
            return self.name
        bits = f", bits = {self.bits}" if self.bits else ""
        return f"{self.name}({self.mixtures}{', channels = independent' if self.independent else ''}{bits})"
