"""Stacks: the boxes of the encoder or decoder in one lane, with their sizes, split into columns if too tall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, sqrt
from typing import Literal

from hvaedsl.ir.bridge import Bridge
from hvaedsl.render.geometry import Box
from hvaedsl.render.labels import box_text, text_width
from hvaedsl.render.runs import Run

TITLE_PT = 11.0
LINE_PT = 9.0
ROW_GAP = 20.0
CHANNEL = 30.0  # between two columns
TALLEST_STACK = 6
_MARGIN = 14.0
_BLOCK_HEIGHT = 54.0
_SMALL_HEIGHT = 22.0

Column = tuple[Box, ...]


def measure(runs: Sequence[Run], bridge: Bridge) -> dict[Run, Box]:
    """Return an unplaced box for each run; boxes of blocks have one size, and no other box of a stack is wider."""
    boxes = {run: _box(f"b{i}", run, bridge) for i, run in enumerate(runs)}
    width = max(box.width for run, box in boxes.items() if run.role != "state")
    return {run: replace(box, width=width) if box.title else box for run, box in boxes.items()}


def note(key: str, role: Literal["image", "likelihood"], text: str) -> Box:
    """Return an unplaced box for the input or output, which are not operations."""
    width = text_width(text, LINE_PT) + _MARGIN
    return Box(key=key, role=role, lines=(text,), width=width, height=_SMALL_HEIGHT)


def _box(key: str, run: Run, bridge: Bridge) -> Box:
    title, lines = box_text(run, bridge)
    width = max(text_width(title, TITLE_PT, bold=True), *(text_width(line, LINE_PT) for line in lines)) + _MARGIN
    return Box(
        key=key,
        role=run.role,
        resolution=run.resolution,
        operations=run.operations,
        title=title,
        lines=lines,
        groups=run.groups,
        shared=run.shared,
        width=width,
        height=_BLOCK_HEIGHT if title else _SMALL_HEIGHT,
    )


def columns_of(boxes: Sequence[Box]) -> tuple[Column, ...]:
    """Split a stack into columns of equal length, in the order of computation."""
    count = len(boxes)
    if not count:
        return ()
    tallest = max(TALLEST_STACK, ceil(sqrt(2.5 * count)))
    columns = ceil(count / tallest)
    ends = [count * (j + 1) // columns for j in range(columns)]
    return tuple(tuple(boxes[start:end]) for start, end in zip([0, *ends], ends, strict=False))


def stack_height(columns: Sequence[Column]) -> float:
    """Return the height of the tallest column."""
    return max((_column_height(column) for column in columns), default=0.0)


def place_encoder(columns: Sequence[Column], *, top: float, right: float, width: float) -> list[Box]:
    """Place each column from the top downwards, the last one ending at `right`."""
    placed: list[Box] = []
    for j, column in enumerate(columns):
        x = right - width / 2 - (len(columns) - 1 - j) * (width + CHANNEL)
        placed += _downwards(column, x, top)
    return placed


def place_decoder(columns: Sequence[Column], *, top: float, left: float, width: float, slot: float) -> list[Box]:
    """Place each column upwards, aligned at the bottom of the tallest one.

    The first column starts at `left`; a space of `slot` to the right of it is for the initial state.
    """
    placed: list[Box] = []
    height = stack_height(columns)
    for j, column in enumerate(columns):
        x = left + width / 2 + (slot + j * (width + CHANNEL) if j else 0.0)
        placed += reversed(_downwards(column[::-1], x, top + height - _column_height(column)))
    return placed


def _downwards(column: Column, x: float, top: float) -> list[Box]:
    placed: list[Box] = []
    for box in column:
        placed.append(replace(box, x=x, y=top + box.height / 2))
        top += box.height + ROW_GAP
    return placed


def _column_height(column: Column) -> float:
    return sum(box.height for box in column) + ROW_GAP * (len(column) - 1)
