"""The common style of figures: a color-blind safe palette, marks at changes of resolution, grids of images."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional as F

from hvaedsl_runtime.drawing import own_settings

# The palette of Okabe and Ito without yellow, which is too light for lines on white.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
)
COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
GRAY = "#707070"

WIDTH_INCHES = 7.4
DOTS_PER_INCH = 150
CELL_PIXELS = 96  # approximate side of an image in a grid
LARGEST_CELL_PIXELS = 192  # larger images are averaged down to at most this

_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLORS),
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "hvaedsl",  # equal figures give equal files
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the common style inside the block, and no settings of the user, which are restored afterwards."""
    with own_settings(_STYLE):
        yield


def panels(rows: int = 1, columns: int = 1, *, height_inches: float = 2.6) -> tuple[Figure, list[Axes]]:
    """A figure of the width of a page with `height_inches` per row of panels, and its panels row by row."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, [axes for row in grid for axes in row]


def mark_jumps(axes: Axes, jumps: Sequence[tuple[float, str]]) -> None:
    """Draw vertical lines at changes of resolution, each with its label (such as `8 → 16`) above the panel.

    Call it after the title of the panel is set: the title is moved up.
    """
    for position, label in jumps:
        axes.axvline(position, color=GRAY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.5)
        axes.annotate(
            label,
            (position, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-2, 2),
            textcoords="offset points",
            rotation=40,
            rotation_mode="anchor",
            ha="left",
            va="bottom",
            fontsize=7,
            color=GRAY,
        )
    if jumps and axes.get_title(loc="left"):
        axes.set_title(axes.get_title(loc="left"), pad=26)


def whole_numbers(axis: Axis) -> None:
    """Put ticks at integers only, for an axis of blocks, layers or steps."""
    axis.set_major_locator(MaxNLocator(integer=True))


def image_grid(images: Tensor, *, rows: Sequence[str] = (), columns: Sequence[str] = ()) -> Figure:
    """A figure of images, float [rows, columns, H, W, C] in [0, 1], with labels left of rows and above columns.

    Images are enlarged by an integer factor, so that each of their pixels is a square; large images are averaged down.
    """
    tiles = _tiles(images)
    across, down, wide = tiles.shape[1:4]
    gap = 4

    # The images side by side on white, [height, width, 3].
    canvas = torch.ones(tiles.shape[0] * (down + gap) - gap, across * (wide + gap) - gap, 3)
    for row, line in enumerate(tiles):
        for column, tile in enumerate(line):
            canvas[row * (down + gap) :, column * (wide + gap) :][:down, :wide] = tile

    # The figure is the canvas with margins for the labels, pixel by pixel.
    height, width = canvas.shape[:2]
    left = 12 + (max((len(label) for label in rows), default=0) * 11)
    top, margin = (34 if columns else 12), 12
    size = (left + width + margin, top + height + margin)
    figure = Figure(figsize=(size[0] / DOTS_PER_INCH, size[1] / DOTS_PER_INCH))
    figure.figimage(canvas.numpy(), xo=left, yo=margin, origin="upper")

    for row, label in enumerate(rows):
        center = top + row * (down + gap) + down / 2
        figure.text((left - 8) / size[0], 1 - center / size[1], label, ha="right", va="center", fontsize=8)
    for column, label in enumerate(columns):
        center = left + column * (wide + gap) + wide / 2
        figure.text(center / size[0], 1 - (top - 8) / size[1], label, ha="center", va="bottom", fontsize=8)
    return figure


def svg(figure: Figure) -> bytes:
    """The figure as SVG; equal figures give equal bytes."""
    with style():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as PNG, at 150 dots per inch."""
    with style():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def _tiles(images: Tensor) -> Tensor:
    """[rows, columns, H, W, C] -> [rows, columns, height, width, 3] in [0, 1] on the CPU."""
    across, size = images.shape[1], max(images.shape[2:4])
    flat = images.detach().float().cpu().flatten(0, 1).permute(0, 3, 1, 2).clamp(0, 1)
    if size > LARGEST_CELL_PIXELS:
        flat = F.avg_pool2d(flat, math.ceil(size / LARGEST_CELL_PIXELS))
    factor = max(1, round(CELL_PIXELS / max(flat.shape[2:])))
    flat = flat.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    flat = flat.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return flat.reshape(-1, across, *flat.shape[1:])
