"""Names in quotes: custom parts, datasets of the Hugging Face Hub, and names that the Hub's datasets give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvaedsl.diagnostics.custom import NotAReference
from hvaedsl.diagnostics.diagnostic import Fix, writing
from hvaedsl.diagnostics.hub import NotAHubDataset
from hvaedsl.diagnostics.names import WrongType
from hvaedsl.elaborate.meant import as_reference
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.hub import is_hub, meant_as_hub, tries_to_be_hub
from hvaedsl.ir.kinds import Kind, NameInQuotes
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


def name_in_quotes(reader: Reader, kind: NameInQuotes, value: ast.Value) -> str:
    """The name. Raises `SpecError` for another value, and for an empty one."""
    if not isinstance(value, ast.String):
        reader.wrong(kind, value)
    if not value.value.strip():
        none = writing(value.span, "none")
        reader.fail(
            WrongType(
                span=value.span,
                key=reader.key,
                expected=reader.type_text(kind),
                found="an empty string",
                hint="give a name, or write `none`",
                suggestions=(none,),
            )
        )
    return value.value


def _written(value: ast.String, name: str) -> Fix | None:
    """The fix that writes a name in the place of a string; None without a name, or if the quotes are not its own."""
    return writing(value.span, f'"{name}"') if name and value.span.text.startswith('"') else None
