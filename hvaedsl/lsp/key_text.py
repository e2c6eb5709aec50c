"""A key of the schema in words: its type, its default, what it means, and its value here."""

from __future__ import annotations

from hvaedsl.elaborate.collect import SCHEMA
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.kinds import Key
from hvaedsl.ir.spec import section_of
from hvaedsl.ir.spec_text import default_text, value_text
from hvaedsl.lsp.analysed import Analysed

_LONGEST = 120  # code points of a value that is shown


def schema_key(dotted: str) -> Key | None:
    """The key of that dotted name, if there is one."""
    section, _, name = dotted.rpartition(".")
    return SCHEMA.get(section, {}).get(name)


def key_text(analysed: Analysed, dotted: str) -> str | None:
    """What a hover on a key says, as Markdown."""
    key = schema_key(dotted)
    if key is None:
        return None
    parts = [f"**`{dotted}`**: {key.kind}", f"{key.meaning[:1].upper()}{key.meaning[1:]}."]
    needed = {"always": "Needed to compile.", "to train": "Needed to train."}
    default = default_text(dotted)
    if key.required in needed:
        parts.append(needed[key.required])
    elif default:
        parts.append(f"Default: `{default}`.")
    value = value_here(analysed, dotted)
    if value:
        parts.append(f"Here: {value}.")
    return "\n\n".join(parts)


def value_here(analysed: Analysed, dotted: str) -> str:
    """The value in effect and where it was written; empty where it could not be read, or nothing is set."""
    values = analysed.values
    if values is None or not analysed.knows(dotted):
        return ""
    section, _, name = dotted.rpartition(".")
    value = getattr(section_of(values.spec, section), name)
    if value is None and dotted not in values.origins:
        return ""
    shown = value_text(value)
    shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
    origin = values.origins.get(dotted)
    if origin is None:
        return f"`{shown}`, not written"
    if origin.source is analysed.source:
        return f"`{shown}`"
    return f"`{shown}`, from {origin.source.name}, line {origin.line}"


def dataset_text(name: str) -> str:
    """A data set and the shape of its images."""
    found = DATASETS[name]
    kind = "colour" if found.channels == 3 else "grey"
    size = f"{found.resolution}x{found.resolution}"
    return f"`{name}`: {kind} images of {size} pixels, {found.levels} levels, {found.validation:,} held out"
