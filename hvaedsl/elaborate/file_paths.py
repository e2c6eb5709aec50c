"""Paths of files and folders in a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvaedsl.diagnostics.diagnostic import writing
from hvaedsl.diagnostics.names import WrongType
from hvaedsl.diagnostics.printable import is_unicode, printable
from hvaedsl.ir.kinds import FilePath
from hvaedsl.syntax import ast

if TYPE_CHECKING:
    from hvaedsl.elaborate.readers import Reader


def file_path(reader: Reader, kind: FilePath, value: ast.Value) -> str:
    """The path. Raises `SpecError` for another value, an empty path, and one that is not UTF-8 text."""
    key, expected = reader.key, reader.type_text(kind)
    if isinstance(value, ast.String) and not value.value.strip():
        hint = "give a path, or write `none`; an unset shell variable leaves an empty path"
        found, none = "an empty string", writing(value.span, "none")
        reader.fail(WrongType(span=value.span, key=key, expected=expected, found=found, hint=hint, suggestions=(none,)))
    if not isinstance(value, ast.String):
        reader.wrong(kind, value)
    if not is_unicode(value.value):
        hint = "a spec is UTF-8 text: rename the file or folder, or name a link to it"
        found = f"`{printable(value.value)}`, which is not UTF-8 text"
        reader.fail(WrongType(span=value.span, key=key, expected=expected, found=found, hint=hint))
    return value.value
