"""The option --resolution: a height, or height and width."""

from __future__ import annotations

import re

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.image_size import ImageSize

METAVAR = "R|HxW"


def parse_resolution(text: str | None) -> int | ImageSize | None:
    """Read a height, or a height and a width such as 96x160; None stays None. Raises UsageError for anything else."""
    if text is None:
        return None
    sides = re.fullmatch(r"\(?\s*([1-9]\d{0,5})\s*(?:[x,]\s*([1-9]\d{0,5})\s*)?\)?", text)
    if sides is None:
        raise UsageError(f"--resolution is `{text}`; it must be a height, or height and width such as 96x160")
    height, width = int(sides[1]), int(sides[2] or sides[1])
    return height if height == width else ImageSize(height, width)
