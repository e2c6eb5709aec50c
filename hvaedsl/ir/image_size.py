"""The size of images that are not square, and of the states between them."""

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


def columns_at(rows: int, height: int, width: int) -> int:
    """Columns of a state of `rows` rows, in the ratio height:width of the images: rounded down, but at least 1."""
    return max(1, rows * width // height)


def has_whole_columns(rows: int, height: int, width: int) -> bool:
    """Whether a state of `rows` rows has exactly the ratio height:width of the images."""
    return rows * width % height == 0


def size_text(height: int, width: int) -> str:
    """Height and width for people: `96x160`."""
    return f"{height}x{width}"
