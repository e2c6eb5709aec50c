"""One's own cells, likelihoods and data sets: how a spec names them, and what is measured of them. Torch-free."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_custom(name: str) -> bool:
    """Whether a name is that of one's own part, `package.module:Name`."""
    return _REFERENCE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Measured:
    """What importing and building a part has shown; sizes are those of one application on one image."""

    parameters: tuple[tuple[str, tuple[int, ...]], ...]  # name within the part, shape
    flops: int
    saved_bytes: int  # that autograd keeps in float32
    outgoing: tuple[str, ...] = ()  # a cell's parameters that only the outgoing state trains
    frozen: tuple[str, ...] = ()  # parameters that the part itself does not train

    @property
    def parameter_count(self) -> int:
        """Trainable numbers."""
        return sum(math.prod(shape) for name, shape in self.parameters if name not in self.frozen)
