"""Custom blocks, cells, likelihoods and datasets: the form of their names, and their measured size. Without torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_custom(name: str) -> bool:
    """Whether a name is that of a custom part, `package.module:Name`."""
    return ":" in name and _REFERENCE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured size of a custom part; FLOPs and bytes are those of one application to one image."""

    parameters: tuple[tuple[str, tuple[int, ...]], ...]  # name within the part, shape
    flops: int
    saved_bytes: int  # by autograd, in float32; of a block without its input
    outgoing: tuple[str, ...] = ()  # parameters of a cell that only the outgoing state trains
    frozen: tuple[str, ...] = ()  # parameters that do not require a gradient
    keeps_input: bool = False  # whether autograd keeps the input of a block

    @property
    def parameter_count(self) -> int:
        """The number of trainable parameters."""
        return sum(math.prod(shape) for name, shape in self.parameters if name not in self.frozen)
