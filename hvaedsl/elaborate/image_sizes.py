"""The sizes of images: a height, or height and width."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.names import OutOfRange
from hvaedsl.elaborate.arithmetic import is_expression
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.kinds import Size, Whole
from hvaedsl.syntax import ast

if TYPE_CHECKING:
    from hvaedsl.elaborate.readers import Reader


def image_size(reader: Reader, kind: Size, value: ast.Value) -> int | ImageSize:
    """The height of a square, or height and width. Raises `SpecError` for anything else."""
    sides = value.items if isinstance(value, (ast.List, ast.Group)) else (value,)
    if len(sides) > 2 or (len(sides) == 1 and isinstance(value, ast.List)):
        reader.wrong(kind, value)
    height, *width = (_side(reader, kind, value, side) for side in sides)
    return height if not width or width == [height] else ImageSize(height, width[0])


def _side(reader: Reader, kind: Size, whole: ast.Value, side: ast.Value) -> int:
    """The height or the width."""
    if isinstance(side, (ast.Integer, ast.Reference)) or is_expression(side):
        try:
            return cast(int, reader.read(Whole(1), side))
        except SpecError as error:
            raise SpecError([_of_size(item, whole, side) for item in error.diagnostics]) from None
    return reader.wrong(kind, whole)


def _of_size(item: Diagnostic, whole: ast.Value, side: ast.Value) -> Diagnostic:
    """A finding about one of two sides, as one about the size."""
    if side is whole or not isinstance(item, OutOfRange):
        return item
    return replace(item, value=whole.span.text, expected="a height and a width of at least 1")
