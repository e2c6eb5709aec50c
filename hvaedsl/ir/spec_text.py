"""The resolved spec as a text of the language: every key, defaults filled in; and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.kinds import Optional, Text
from hvaedsl.ir.spec import SECTIONS, Likelihood, PaperSpec, Spec, keys, section_of


def spec_text(spec: Spec) -> str:
    """A `.hvae` text that compiles alone to the same spec. Keys that only a run needs are left out while unset."""
    lines = ["hvae 1"]
    for section in SECTIONS:
        body = list(_body(spec, section, "  ")) if "." not in section else []
        if body:
            lines += ["", f"{section} {{", *body, "}"]
    return "\n".join(lines) + "\n"


def spec_json(spec: Spec) -> dict[str, Any]:
    """The spec as plain data, block lists and the likelihood as they are written."""
    found: dict[str, Any] = {"name": spec.name}
    for path in SECTIONS:
        holder = found
        *parents, name = path.split(".")
        for parent in parents:
            holder = holder[parent]
        holder[name] = {key: _plain(value) for key, value in _values(spec, path)}
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
    """What cannot be written: unset keys that have no `none`; and the default status of a figure that is not there."""
    if section == "paper":
        default = PaperSpec.model_fields[name].default
        return value is None or (name == "nll_status" and spec.paper.nll is None and value == default)
    return section == "train" and name in ("steps", "batch_size", "learning_rate") and value is None


def key_text(section: str, name: str, value: object) -> str:
    """The value of a key as the language writes it: of a text key in quotes."""
    kind = keys(SECTIONS[section])[name].kind
    text = isinstance(kind, Text) or (isinstance(kind, Optional) and isinstance(kind.of, Text))
    return string_text(str(value)) if text and value is not None else value_text(value)


def default_text(dotted: str) -> str:
    """The default of a key as it would be written; empty where there is none, or the data set decides."""
    section, _, name = dotted.rpartition(".")
    found = SECTIONS[section].model_fields[name].get_default(call_default_factory=True)
    return "" if found is PydanticUndefined else value_text(found)


def value_text(value: object) -> str:
    """A typed value as the language writes it."""
    match value:
        case None | bool():
            return {None: "none", True: "true", False: "false"}[value]
        case BlockList() | Likelihood() | int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case tuple() | list():
            return ", ".join(map(value_text, value))
        case Mapping():
            return f"{{{', '.join(f'{key}: {value_text(item)}' for key, item in value.items())}}}"
        case str():
            return string_text(value) if is_custom(value) else value
    raise TypeError(f"no value of the language: {value!r}")


def string_text(text: str) -> str:
    """A string in quotes, as the language writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _plain(value: object) -> object:
    match value:
        case BlockList() | Likelihood():
            return str(value)
        case Mapping():
            return {str(key): item for key, item in value.items()}
        case tuple():
            return list(value)
        case _:
            return value
