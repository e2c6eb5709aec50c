"""The size of images that are not square."""

from __future__ import annotations

from typing import NamedTuple


class ImageSize(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        """The size in the language."""
        return f"({self.height}, {self.width})"


def sides(size: int | ImageSize) -> ImageSize:
    """Height and width of a size, of which one number is that of a square."""
    return ImageSize(size, size) if isinstance(size, int) else size


def size_text(height: int, width: int) -> str:
    """Height and width for people: `96x160`."""
    return f"{height}x{width}"
