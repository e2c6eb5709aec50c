"""Pooling in the encoder, and the embedding of a lower-resolution state in the decoder. Without torch."""

from __future__ import annotations

from typing import Literal, get_args

Pooling = Literal["average", "strided", "wavelet(haar)", "wavelet(db2)"]
# `nearest` repeats values, which is the adjoint of averaging up to a factor. A wavelet embeds by its adjoint.
Embedding = Literal["nearest", "wavelet(haar)", "wavelet(db2)"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def embedding_of(pooling: Pooling) -> Embedding:
    """The embedding that goes with a pooling."""
    if pooling == "average" or pooling == "strided":
        return "nearest"
    return pooling


def wavelet_of(method: Pooling | Embedding) -> str | None:
    """The name of the wavelet in PyWavelets; None for other methods."""
    name, _, argument = method.partition("(")
    return argument.removesuffix(")") if name == "wavelet" else None
