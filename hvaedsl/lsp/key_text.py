"""A key of the schema in words: its type, its default, what it means, and its value here."""

from __future__ import annotations

from hvaedsl.elaborate.collect import SCHEMA
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.kinds import Key
from hvaedsl.ir.spec import section_of
from hvaedsl.ir.spec_text import default_text, value_text
from hvaedsl.lsp.analysed import Analysed, assignments

_LONGEST = 120  # code points of a value that is shown
_LONGEST_INHERITED = 24  # the same in a list of completions


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


def inherited(analysed: Analysed, dotted: str) -> str:
    """The value that the nearest base writes for a key, and the base's name; empty where none does."""
    for document in () if dotted.startswith("paper.") else reversed(analysed.documents[:-1]):
        for key, item in assignments(document.statements):
            if key == dotted:
                written = " ".join(item.value.span.text.split())
                shown = written if len(written) <= _LONGEST_INHERITED else f"{written[: _LONGEST_INHERITED - 1]}…"
                return f"{shown} in {document.source.name}"
    return ""


def dataset_text(name: str) -> str:
    """A data set and the shape of its images."""
    found = DATASETS[name]
    return f"`{name}`: {images_text(name)} pixels, {found.levels} levels, {found.validation:,} held out"


def images_text(name: str) -> str:
    """The images of a data set: colour and size."""
    found = DATASETS[name]
    kind = "colour" if found.channels == 3 else "grey"
    return f"{kind} images of {found.resolution}x{found.resolution}"
