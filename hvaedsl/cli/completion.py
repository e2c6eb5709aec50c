"""What a shell completes: specs, data sets, keys, codes and cells. Everything is looked up when a shell asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer


def complete_spec(incomplete: str) -> list[str]:
    """Spec files below the folder that is being written, and shipped specs by name."""
    return sorted({*_shipped(incomplete), *_files(incomplete)})


def complete_dataset(incomplete: str) -> list[str]:
    """The names that `data.dataset` takes."""
    from hvaedsl.ir.datasets import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def complete_explained(incomplete: str) -> list[tuple[str, str]]:
    """What `explain` takes first: the codes with their titles, and the word cell."""
    from hvaedsl.catalog import KINDS
    from hvaedsl.report.explain import template_title

    found = [(kind.code, template_title(kind)) for kind in KINDS.values()]
    if incomplete.startswith("h"):  # a shell takes only what begins as it is written
        found = [(code.lower(), said) for code, said in found]
    found.append(("cell", "what a cell computes"))
    return [(word, said) for word, said in found if word.startswith(incomplete)]


def complete_explained_name(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """What `explain cell` takes."""
    from hvaedsl.catalog.cells import CELL_TEXTS

    if context.params.get("code") != "cell":
        return []
    return [(text.name, text.title) for text in CELL_TEXTS.values() if text.name.startswith(incomplete)]


def complete_key(incomplete: str) -> list[str]:
    """The keys that `--set` takes, up to the equals sign."""
    from hvaedsl.ir.spec import SECTIONS, keys

    dotted = (f"{section}.{name}=" for section, kind in SECTIONS.items() for name in keys(kind))
    return [key for key in dotted if key.startswith(incomplete)]


def _shipped(incomplete: str) -> Iterator[str]:
    from hvaedsl.shipped import spec_names

    yield from (name for name in spec_names() if name.startswith(incomplete))


def _files(incomplete: str) -> Iterator[str]:
    """Specs and folders of the folder that is being written; of a folder that has specs they stand for it."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        entries = list(Path(folder + slash or ".").iterdir())
    except (OSError, ValueError):  # no such folder, or one that cannot be read
        return
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name.startswith(".") and not start):
            continue
        shown = f"{folder}{slash}{entry.name}"
        if entry.suffix == ".hvae":
            yield shown
            continue
        try:
            inside = [item for item in entry.iterdir() if item.suffix == ".hvae"] if entry.is_dir() else []
            if entry.is_dir():
                yield from (f"{shown}/{item.name}" for item in inside) if inside else (f"{shown}/",)
        except OSError:  # a folder that cannot be read
            continue
