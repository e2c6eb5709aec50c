"""How the resolution falls in the encoder, and how a coarser state is embedded into a finer one. Torch-free."""

from __future__ import annotations

from typing import Literal, get_args

Pooling = Literal["average", "strided", "wavelet(haar)", "wavelet(db2)"]
# `nearest` repeats values: up to a factor the adjoint of averaging. A wavelet's embedding is its pooling's adjoint.
Embedding = Literal["nearest", "wavelet(haar)", "wavelet(db2)"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def embedding_of(pooling: Pooling) -> Embedding:
    """The embedding that goes with a pooling."""
    if pooling == "average" or pooling == "strided":
        return "nearest"
    return pooling


def wavelet_of(method: Pooling | Embedding) -> str | None:
    """The wavelet's name in PyWavelets; None where there is none."""
    name, _, argument = method.partition("(")
    return argument.removesuffix(")") if name == "wavelet" else None
