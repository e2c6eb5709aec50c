"""What the sections of a resolved spec have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

V = TypeVar("V", int, float, str)


def at_resolution(value: V | Mapping[int, V], resolution: int) -> V:
    """The value of a key at a resolution.

    A resolved map has every resolution in use. A resolution that it lacks, where `diff` puts the value of one spec into
    another, has the map's first value.
    """
    if isinstance(value, (int, float, str)):
        return value
    return value[resolution] if resolution in value else next(iter(value.values()))


class Section(BaseModel):
    """Base class of the sections."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
