"""The likelihood of a pixel, as the spec says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """The likelihood of a pixel: `bernoulli`, a discretized mixture of `mixtures` logistics, or a custom one."""

    name: Literal["bernoulli", "mixture_of_logistics", "custom"]
    mixtures: int = 0
    bits: int | None = None
    reference: str | None = None  # package.module:Name of a custom likelihood

    def outputs(self, channels: int) -> int:
        """Channels of the last convolution: 1, or 3k (grayscale) or 10k (color); 0 for a custom likelihood."""
        if self.name == "custom":
            return 0
        if self.name == "bernoulli":
            return 1
        return self.mixtures * (10 if channels == 3 else 3)

    def __str__(self) -> str:
        """The likelihood in the language."""
        if self.reference is not None:
            return f'"{self.reference}"'
        if self.name == "bernoulli":
            return self.name
        return f"{self.name}({self.mixtures}{f', bits = {self.bits}' if self.bits else ''})"
