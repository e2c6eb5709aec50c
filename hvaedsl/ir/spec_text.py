"""The resolved spec as text, with every key and default; and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.call_values import CallValue
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.data_spec import OF_LEVELS
from hvaedsl.ir.hub import is_hub
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.kinds import Optional, Text
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.number_text import number_text
from hvaedsl.ir.spec import SECTIONS, PaperSpec, Spec, keys, section_of
from hvaedsl.ir.training import Epochs, Minutes


def spec_text(spec: Spec) -> str:
    """A `.hvae` text without bases that compiles to the same spec. Unset keys that only training needs are omitted."""
    lines = ["hvae 1"]
    for section in SECTIONS:
        body = list(_body(spec, section, "  ")) if "." not in section else []
        if body:
            lines += ["", f"{section} {{", *body, "}"]
    return "\n".join(lines) + "\n"


def spec_json(spec: Spec) -> dict[str, Any]:
    """The spec as data for `json.dumps`; block lists, epochs and the likelihood are strings in the language."""
    found: dict[str, Any] = {"name": spec.name}
    for path in SECTIONS:
        holder = found
        *parents, name = path.split(".")
        for parent in parents:
            holder = holder[parent]
        holder[name] = {key: _plain(value) for key, value in _values(spec, path)}
    return found


def flat_values(spec: Spec) -> dict[str, int | float | str]:
    """Every key of the resolved spec that its text has, by dotted name, except `data.path`.

    Numbers and booleans stay what they are; any other value is its text in the language, strings without quotes.
    """
    found: dict[str, int | float | str] = {}
    for section in SECTIONS:
        for name, value in _values(spec, section):
            if not _implied(spec, section, name, value) and (section, name) != ("data", "path"):
                found[f"{section}.{name}"] = value if isinstance(value, (int, float, str)) else value_text(value)
    return found


def _body(spec: Spec, section: str, indent: str) -> Iterator[str]:
    """The keys of a section, then the sections inside it."""
    shown = [(name, value) for name, value in _values(spec, section) if not _implied(spec, section, name, value)]
    column = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        yield f"{indent}{name:<{column}} = {key_text(section, name, value)}"
    for inner in SECTIONS:
        parent, _, name = inner.rpartition(".")
        if parent == section:
            yield f"{indent}{name} {{"
            yield from _body(spec, inner, indent + "  ")
            yield f"{indent}}}"


def _values(spec: Spec, section: str) -> Iterator[tuple[str, object]]:
    for name in keys(SECTIONS[section]):
        yield name, getattr(section_of(spec, section), name)


def _implied(spec: Spec, section: str, name: str, value: object) -> bool:
    """Whether a key is omitted: unset keys that cannot be `none`, those that only levels have if the values are real,
    and the status of a likelihood that is not given.
    """
    if section == "data" and name in OF_LEVELS:
        return spec.data.is_real
    if section == "paper":
        default = PaperSpec.model_fields[name].default
        return value is None or (name == "nll_status" and spec.paper.nll is None and value == default)
    return section == "train" and name in ("steps", "batch_size", "learning_rate") and value is None


def key_text(section: str, name: str, value: object) -> str:
    """The value of a key in the language; that of a text key is in quotes."""
    kind = keys(SECTIONS[section])[name].kind
    text = isinstance(kind, Text) or (isinstance(kind, Optional) and isinstance(kind.of, Text))
    return string_text(str(value)) if text and value is not None else value_text(value)


def default_text(dotted: str) -> str:
    """The default of a key in the language; empty if it has none, or the dataset decides."""
    section, _, name = dotted.rpartition(".")
    found = SECTIONS[section].model_fields[name].get_default(call_default_factory=True)
    return "" if found is PydanticUndefined else value_text(found)


def value_text(value: object) -> str:
    """A typed value in the language. Raises `TypeError` for a value that no key has."""
    match value:
        case None | bool():
            return {None: "none", True: "true", False: "false"}[value]
        case BlockList() | Likelihood() | ImageSize() | Epochs() | Minutes() | CallValue() | int():
            return str(value)
        case float():
            return number_text(value)
        case tuple() | list():
            return ", ".join(map(value_text, value))
        case Mapping():
            return f"{{{', '.join(f'{key}: {value_text(item)}' for key, item in value.items())}}}"
        case str():
            return string_text(value) if is_custom(value) or is_hub(value) else value
    raise TypeError(f"not a value of the language: {value!r}")


def string_text(text: str) -> str:
    """A string in the language: in quotes, with escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _plain(value: object) -> object:
    match value:
        case BlockList() | Likelihood() | Epochs() | Minutes() | CallValue():
            return str(value)
        case Mapping():
            return {str(key): item for key, item in value.items()}
        case tuple():
            return list(value)
        case _:
            return value
