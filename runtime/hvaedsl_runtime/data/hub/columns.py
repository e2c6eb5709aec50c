"""The column of a table that has the images, and the form in which its rows have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import pyarrow as pa

from hvaedsl.diagnostics.errors import InvalidData

# An image file in each row, or the values of its pixels.
Form = Literal["files", "numbers"]
TAKEN = "image files (bytes, or a struct with the field bytes) or numbers in lists"


class ImageColumn(NamedTuple):
    """A column of images."""

    name: str
    form: Form


def image_column(schema: pa.Schema, wanted: str | None, place: str) -> ImageColumn:
    """Find the column `wanted` or, without one, the only column of image files, or else the only one of numbers.

    `place` names the table in messages. Raises InvalidData, which lists the columns, if there is no such column.
    """
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    if wanted is not None:
        if wanted not in schema.names:
            raise InvalidData(
                f"{place}: there is no column `{wanted}`; the columns are {columns}", help="correct data.column"
            )
        _check_name(schema, wanted, place)
        found = schema.field(wanted).type
        if (form := form_of(found)) is None:
            raise InvalidData(
                f"{place}: the column `{wanted}` has values of type {found}; images are {TAKEN}",
                help=_choose(_candidates(schema)) or f"correct data.column; the columns are {columns}",
            )
        return ImageColumn(wanted, form)

    candidates = list(_candidates(schema))
    chosen = [column for column in candidates if column.form == "files"] or candidates
    for column in chosen:
        _check_name(schema, column.name, place)
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise InvalidData(
            f"{place}: no column has images; the columns are {columns}",
            help=f"give a table with images: {TAKEN}",
        )
    raise InvalidData(f"{place}: several columns may have the images; the columns are {columns}", help=_choose(chosen))


def _check_name(schema: pa.Schema, name: str, place: str) -> None:
    """Raise InvalidData if several columns have the name of one with images: columns are read by their names."""
    if (count := schema.names.count(name)) > 1:
        raise InvalidData(
            f"{place}: {count} columns have the name `{name}`; the column with the images must have a name of its own",
            help="save the table with different names, for example with `rename_columns` of pyarrow",
        )


def form_of(kind: pa.DataType) -> Form | None:
    """The form in which values of a type are images; None if they are none."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return "numbers"
    if isinstance(kind, pa.BaseExtensionType):
        return form_of(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return form_of(kind.value_type)
    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return "files" if at >= 0 and is_bytes(kind.field(at).type) else None
    if is_bytes(kind):
        return "files"

    depth = 0
    while is_list(kind):
        kind, depth = kind.value_type, depth + 1
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return "numbers" if depth and is_number else None


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes."""
    of_any_size = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(of_any_size or pa.types.is_fixed_size_binary(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _candidates(schema: pa.Schema) -> Iterator[ImageColumn]:
    for field in schema:
        if (form := form_of(field.type)) is not None:
            yield ImageColumn(field.name, form)


def _choose(columns: Iterator[ImageColumn] | list[ImageColumn]) -> str:
    """The way out that names columns; empty without any."""
    names = [f'"{column.name}"' for column in columns]
    return f"set data.column to {' or '.join(names)}" if names else ""
