"""Fourier features: where a model can add them, and how many channels they add. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

FourierPlace = Literal["block", "sample", "branches", "image"]
FOURIER_PLACES: tuple[FourierPlace, ...] = get_args(FourierPlace)


def _split(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


# In a printed bridge they are separated by commas.
Exponents = Annotated[tuple[int, ...], BeforeValidator(_split)]


def with_features(channels: int, exponents: tuple[int, ...]) -> int:
    """Channels of [x, sin(2^n pi x), cos(2^n pi x) for each n] (Falck, Williams et al. 2022, Tables G.8 to G.10)."""
    return channels * (1 + 2 * len(exponents))
