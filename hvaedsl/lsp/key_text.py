"""The hover text of a key: its type, its meaning, its default and its value here."""

from __future__ import annotations

from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.hub import is_hub, repository
from hvaedsl.ir.kinds import Key
from hvaedsl.ir.spec import section_of
from hvaedsl.ir.spec_text import default_text, value_text
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.syntax.assignments import assignments

_LONGEST = 120  # code points of a value that is shown
_LONGEST_INHERITED = 24  # of a value in a list of completions


def schema_key(dotted: str) -> Key | None:
    """The key with a dotted name, if there is one."""
    section, _, name = dotted.rpartition(".")
    return SCHEMA.get(section, {}).get(name)


def key_text(analyzed: AnalyzedText, dotted: str) -> str | None:
    """Return the hover text of a key as Markdown."""
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
    value = value_here(analyzed, dotted)
    if value:
        parts.append(f"Here: {value}.")
    return "\n\n".join(parts)


def value_here(analyzed: AnalyzedText, dotted: str) -> str:
    """The value in effect and its origin; empty if it is not set or could not be read."""
    values = analyzed.values
    if values is None or not analyzed.knows(dotted):
        return ""
    section, _, name = dotted.rpartition(".")
    value = getattr(section_of(values.spec, section), name)
    if value is None and dotted not in values.origins:
        return ""

    shown = value_text(value)
    shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"

    origin = values.origins.get(dotted)
    if origin is None:
        return f"`{shown}`, the default"
    if origin.source is analyzed.source:
        return f"`{shown}`"
    return f"`{shown}`, from {origin.source.name}, line {origin.line}"


def inherited(analyzed: AnalyzedText, dotted: str) -> str:
    """The value of a key in the nearest base that has it, and the name of the base; empty if none has it."""
    for document in () if dotted.startswith("paper.") else reversed(analyzed.documents[:-1]):
        for key, item in assignments(document.statements):
            if key == dotted:
                written = " ".join(item.value.span.text.split())
                shown = written if len(written) <= _LONGEST_INHERITED else f"{written[: _LONGEST_INHERITED - 1]}…"
                return f"{shown} in {document.source.name}"
    return ""


def dataset_text(name: str) -> str:
    """A dataset and the shape of its images."""
    found = DATASETS[name]
    return f"`{name}`: {images_text(name)} pixels, {found.levels} levels, {found.validation:,} held out"


def hub_text(name: str) -> str:
    """A dataset of the Hugging Face Hub and the address of its page; empty for another dataset."""
    if not is_hub(name):
        return ""
    return f"`{name}`: a dataset of the Hugging Face Hub, https://huggingface.co/datasets/{repository(name)}"


def images_text(name: str) -> str:
    """The images of a dataset: color and size."""
    found = DATASETS[name]
    kind = "color" if found.channels == 3 else "gray"
    return f"{kind} images of {found.resolution}x{found.resolution}"
