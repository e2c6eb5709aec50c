"""The likelihood of a pixel, as the spec says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PUBLISHED_LEVELS = 256  # up to which the published form of the mixture of logistics is used
INDEPENDENT = "channels=independent"  # of a likelihood without spaces, as the bridge has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """The likelihood of a pixel: `bernoulli`, a discretized mixture of logistics, `gaussian`, or a custom one.

    `mixtures` is the number of logistics. `independent` channels of a mixture have the same component, and are
    independent given it; those of `gaussian` do not depend on each other.
    """

    name: Literal["bernoulli", "mixture_of_logistics", "gaussian", "custom"]
    mixtures: int = 0
    bits: int | None = None
    independent: bool = False
    reference: str | None = None  # package.module:Name of a custom likelihood

    @property
    def couples(self) -> bool:
        """Whether the channels of colors may depend on each other, or be independent."""
        return self.name in ("mixture_of_logistics", "gaussian")

    def outputs(self, channels: int) -> int:
        """Channels of the last convolution: 1, 10k (color) or k + 2kC, 9 (color) or 2C; 0 for a custom likelihood."""
        if self.name == "custom":
            return 0
        if self.name == "bernoulli":
            return 1
        coupled = channels == 3 and not self.independent
        if self.name == "gaussian":
            return 9 if coupled else 2 * channels
        return self.mixtures * (10 if coupled else 1 + 2 * channels)

    def __str__(self) -> str:
        """The likelihood in the language."""
        if self.reference is not None:
            return f'"{self.reference}"'
        if self.name == "gaussian" and self.independent:
            return "gaussian(channels = independent)"
        if self.name in ("bernoulli", "gaussian"):
            return self.name
        bits = f", bits = {self.bits}" if self.bits else ""
        return f"{self.name}({self.mixtures}{', channels = independent' if self.independent else ''}{bits})"
