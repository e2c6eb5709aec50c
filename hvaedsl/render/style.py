"""Colors and line widths of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from hvaedsl.render.geometry import Box, BoxRole, EdgeKind

FONT = "Helvetica,Arial,sans-serif"
TEXT = "#1f2933"
FAINT_TEXT = "#52606d"
LANE = "#eef2f5"


@dataclass(frozen=True, slots=True)
class Paint:
    """Fill and border of a box."""

    fill: str
    border: str
    border_width: float = 1.0


OWN = Paint("#ffffff", "#7b8794")
SHARED = Paint("#fde3bf", "#c56a00")
_MODEST = Paint("#f7f9fa", "#9aa5b1")
# For each group of several boxes; after eight the colors repeat, and the labels in the boxes distinguish the groups.
_RECURRING = (
    Paint("#cfe5f7", "#1f6fb2"),
    Paint("#d3efd2", "#2f7d32"),
    Paint("#f6d5e8", "#a8327a"),
    Paint("#fbf0a8", "#8a7400"),
    Paint("#e0d8f5", "#5f3dc4"),
    Paint("#c9efec", "#0b7a75"),
    Paint("#f9d3cc", "#b93a26"),
    Paint("#dfe3c0", "#66701c"),
)
_MODEST_ROLES: frozenset[BoxRole] = frozenset({"image", "stem", "pooled", "state", "head", "likelihood"})


@dataclass(frozen=True, slots=True)
class Stroke:
    """The style of an arrow; `meaning` is its text in the legend."""

    color: str
    width: float
    dashed: bool
    meaning: str


STROKES: dict[EdgeKind, Stroke] = {
    "flow": Stroke("#3e4c59", 1.1, False, ""),
    "pool": Stroke("#3e4c59", 1.1, False, "average pooling"),
    "mix_in": Stroke("#0b7a75", 1.3, False, "mix-in: upsampled state, added"),
    "skip": Stroke("#2f6fde", 1.0, False, "encoder activation, read by the posterior"),
    "start": Stroke("#9aa5b1", 0.9, True, "how a decoder state begins"),
}

Mark = Literal["added", "removed", "changed"]
_MARKS: dict[Mark, str] = {"added": "#1a7f37", "removed": "#cf222e", "changed": "#6639ba"}
_MARKED_WIDTH = 3.0


def marked(paint: Paint, mark: Mark) -> Paint:
    """Return the paint of a box that differs: a thick colored border, with the fill for the weights unchanged."""
    return replace(paint, border=_MARKS[mark], border_width=_MARKED_WIDTH)


def mark_paint(mark: Mark) -> Paint:
    """Return the sign of a mark for the legend."""
    return marked(OWN, mark)


def paint_of(box: Box, recurring: tuple[str, ...]) -> Paint:
    """Return the paint of a box: neutral for its own weights, one color per group for shared ones."""
    if box.role in _MODEST_ROLES:
        return _MODEST
    if box.groups[0] in recurring:
        return recurring_paint(recurring.index(box.groups[0]))
    return SHARED if box.shared else OWN


def recurring_paint(index: int) -> Paint:
    """Return the color of a group of several boxes."""
    return _RECURRING[index % len(_RECURRING)]
