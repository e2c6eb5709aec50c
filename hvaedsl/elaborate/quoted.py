"""Texts in quotes: names of custom parts and of datasets of the Hugging Face Hub, paths, and other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvaedsl.diagnostics.custom import NotAReference
from hvaedsl.diagnostics.diagnostic import Fix, writing
from hvaedsl.diagnostics.hub import NotAHubDataset
from hvaedsl.diagnostics.names import WrongType
from hvaedsl.diagnostics.printable import is_unicode, printable
from hvaedsl.elaborate.meant import as_reference
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.hub import is_hub, meant_as_hub, tries_to_be_hub
from hvaedsl.ir.kinds import FilePath, Kind, NameInQuotes
from hvaedsl.syntax import ast

if TYPE_CHECKING:
    from hvaedsl.elaborate.readers import Reader


def custom_name(reader: Reader, kind: Kind, value: ast.String, symbols: tuple[str, ...]) -> str:
    """The reference of a custom part, `"package.module:Name"`. Raises `SpecError` for another text."""
    if value.value in symbols:
        reader.wrong(kind, value)
    if not is_custom(value.value):
        fix = _written(value, as_reference(value.value))
        reader.fail(NotAReference(span=value.span, key=reader.key, fix=fix))
    return value.value


def dataset_name(reader: Reader, kind: Kind, value: ast.String, symbols: tuple[str, ...]) -> str:
    """The name of a dataset of the Hub, `"hf:OWNER/NAME"`, or of a custom one. Raises `SpecError` for another text."""
    if not tries_to_be_hub(value.value):
        return custom_name(reader, kind, value, symbols)
    if not is_hub(value.value):
        fix = _written(value, meant_as_hub(value.value))
        reader.fail(NotAHubDataset(span=value.span, key=reader.key, fix=fix))
    return value.value


def filled_text(reader: Reader, kind: FilePath | NameInQuotes, value: ast.Value) -> str:
    """A path or a name. Raises `SpecError` for another value, an empty text, and one that is not UTF-8."""
    key, expected, is_path = reader.key, reader.type_text(kind), isinstance(kind, FilePath)
    if isinstance(value, ast.String) and not value.value.strip():
        hint = "give a path, or write `none`; an unset shell variable leaves an empty path"
        hint = hint if is_path else "give a name, or write `none`"
        found, none = "an empty string", writing(value.span, "none")
        reader.fail(WrongType(span=value.span, key=key, expected=expected, found=found, hint=hint, suggestions=(none,)))
    if not isinstance(value, ast.String):
        reader.wrong(kind, value)
    if not is_unicode(value.value):
        hint = "a spec is UTF-8 text: rename the " + ("file or folder, or name a link to it" if is_path else "part")
        found = f"`{printable(value.value)}`, which is not UTF-8 text"
        reader.fail(WrongType(span=value.span, key=key, expected=expected, found=found, hint=hint))
    return value.value


def _written(value: ast.String, name: str) -> Fix | None:
    """The fix that writes a name in the place of a string; None without a name, or if the quotes are not its own."""
    return writing(value.span, f'"{name}"') if name and value.span.text.startswith('"') else None
