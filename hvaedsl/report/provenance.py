"""The origin of each value of a resolved spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hvaedsl.diagnostics.printable import printable
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.spec import SECTIONS, Spec, keys

# The names that the value of a dotted key went through, with the places of their definitions, the nearest first.
Via = Callable[[str], tuple[tuple[str, Span], ...]]


def provenance_text(spec: Spec, text: str, origins: Mapping[str, Span], via: Via) -> str:
    """Return the resolved text with the origin of each value in a comment."""
    lines = text.removesuffix("\n").split("\n")
    width = min(60, max((len(line) for line in lines if " = " in line), default=0))
    sections: list[str] = []
    out = []
    for line in lines:
        if line.endswith("{"):
            sections.append(line.split()[0])
        elif line.strip() == "}":
            sections.pop()
        name = line.split("=")[0].strip()
        if " = " in line:
            line = f"{line:<{width}}  # {_origin(spec, origins, via, '.'.join((*sections, name)))}"
        out.append(line)
    return "\n".join(out) + "\n"


def provenance_json(spec: Spec, origins: Mapping[str, Span], via: Via) -> dict[str, str]:
    """Return the origin of each value by dotted key."""
    return {
        f"{section}.{name}": _origin(spec, origins, via, f"{section}.{name}")
        for section, fields in SECTIONS.items()
        for name in keys(fields)
    }


def _origin(spec: Spec, origins: Mapping[str, Span], via: Via, key: str) -> str:
    span = origins.get(key)
    if span is not None:
        names = ", ".join(f"{name} ({_place(defined)})" for name, defined in via(key))
        return f"{_place(span)} via {names}" if names else _place(span)
    if key == "data.binarize":
        return "default for this likelihood"
    if key == "model.likelihood" and spec.data.is_real:
        return "default for real values"
    of_the_spec = ("data.path", "data.config", "data.column", "data.values", "data.split_seed", "data.fit")
    if key.startswith("data.") and key not in of_the_spec and spec.data.dataset in DATASETS:
        return "the dataset"
    return "default"


def _place(span: Span) -> str:
    """The file, line and column; of an option its name."""
    return printable(span.source.name if span.source.path is None else str(span))
