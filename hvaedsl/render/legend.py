"""The legend of the colors and arrows in a picture, in lines of the picture's width."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import get_args

from hvaedsl.render.geometry import Layout
from hvaedsl.render.labels import text_width
from hvaedsl.render.style import OWN, SHARED, STROKES, Mark, Paint, Stroke, mark_paint, paint_of, recurring_paint

LEGEND_PT = 8.5
LEGEND_LINE = 15.0
SWATCH_WIDTH = 18.0
SWATCH_GAP = 5.0
_BETWEEN = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A sign with its meaning; `x` is its left border, `y` its middle, relative to the legend."""

    sign: Paint | Stroke
    meaning: str
    x: float
    y: float


def legend(layout: Layout, marks: Collection[Mark] = ()) -> tuple[Entry, ...]:
    """Return the entries for everything in the picture, from left to right, line by line."""
    entries: list[Entry] = []
    x, y = 0.0, LEGEND_LINE / 2
    for sign, meaning in (*_marked(marks), *_signs(layout)):
        width = SWATCH_WIDTH + SWATCH_GAP + text_width(meaning, LEGEND_PT)
        if x and x + width > layout.width:
            x, y = 0.0, y + LEGEND_LINE
        entries.append(Entry(sign=sign, meaning=meaning, x=x, y=y))
        x += width + _BETWEEN
    return tuple(entries)


def legend_height(entries: Sequence[Entry]) -> float:
    """Return the height of the legend."""
    return max((entry.y for entry in entries), default=0.0) + LEGEND_LINE / 2


def _marked(marks: Collection[Mark]) -> list[tuple[Paint | Stroke, str]]:
    return [(mark_paint(mark), mark) for mark in get_args(Mark) if mark in marks]


def _signs(layout: Layout) -> list[tuple[Paint | Stroke, str]]:
    blocks = [box for box in layout.boxes if box.groups]
    paints = {paint_of(box, layout.recurring) for box in blocks}
    signs: list[tuple[Paint | Stroke, str]] = []
    if OWN in paints:
        signs.append((OWN, "own weights"))
    if SHARED in paints:
        signs.append((SHARED, "shared weights: each block applied ×n"))
    for i, group in enumerate(layout.recurring):
        signs.append((recurring_paint(i), f"one set of weights: {group}"))

    kinds = {edge.kind for edge in layout.edges}
    # A pooling other than average is named at its arrows.
    averaged = all(edge.label.startswith("pool") for edge in layout.edges if edge.kind == "pool")
    for kind, stroke in STROKES.items():
        if stroke.meaning and kind in kinds:
            signs.append((stroke, stroke.meaning if kind != "pool" or averaged else "pooling"))
    return signs
