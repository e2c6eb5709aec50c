"""The parts of a picture: boxes on lanes, and edges as polylines. Lengths are in points; y grows downwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Point = tuple[float, float]
BoxRole = Literal["image", "stem", "residual", "down", "pooled", "state", "mix_in", "top_down", "head", "likelihood"]
EdgeKind = Literal["flow", "pool", "mix_in", "skip", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box with its text, centered at `x`, `y`. `operations` are indices into the bridge."""

    key: str
    role: BoxRole
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    title: str = ""  # block notation; empty for boxes without blocks
    resolution: int | None = None
    operations: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    shared: bool = False

    @property
    def left(self) -> Point:
        """The middle of the left side."""
        return (self.x - self.width / 2, self.y)

    @property
    def right(self) -> Point:
        """The middle of the right side."""
        return (self.x + self.width / 2, self.y)

    @property
    def top(self) -> Point:
        """The middle of the upper side."""
        return (self.x, self.y - self.height / 2)

    @property
    def bottom(self) -> Point:
        """The middle of the lower side."""
        return (self.x, self.y + self.height / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The band of one resolution, from `top` to `bottom`."""

    resolution: int
    size: tuple[int, int]  # height and width of the states
    channels: tuple[int, ...]
    top: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An arrow along `points` from box `source` to box `target`; `label_at` is the center of the label."""

    source: str
    target: str
    kind: EdgeKind
    points: tuple[Point, ...]
    label: str = ""
    label_at: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The picture without title and legend. `recurring` lists the weight groups of several boxes."""

    width: float
    height: float
    lanes: tuple[Lane, ...]
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    recurring: tuple[str, ...]


def is_clear(points: Iterable[Point], boxes: Iterable[Box]) -> bool:
    """Whether an orthogonal polyline crosses no box."""
    segments = tuple(pairwise(points))
    return not any(_crosses(start, end, box) for box in boxes for start, end in segments)


def _crosses(start: Point, end: Point, box: Box) -> bool:
    half_width, half_height, slack = box.width / 2, box.height / 2, 0.5
    across = min(start[0], end[0]) < box.x + half_width - slack and max(start[0], end[0]) > box.x - half_width + slack
    along = min(start[1], end[1]) < box.y + half_height - slack and max(start[1], end[1]) > box.y - half_height + slack
    return across and along
