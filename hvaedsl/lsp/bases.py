"""Which files a spec may extend, and which files extend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hvaedsl.errors import SpecError, UsageError
from hvaedsl.shipped import shipped
from hvaedsl.span import Source
from hvaedsl.syntax.text import read_source

_EXTENDS = re.compile(r'^\s*extends\s*"([^"\n]*)"', re.MULTILINE)
_MOST = 200  # files of a folder that are looked at


def bases_for(source: Source) -> Iterator[tuple[str, str]]:
    """The names that `extends` takes in this file, and what each is: files beside it, then shipped specs."""
    beside = {path.name: path for path in _beside(source.path)}
    yield from ((name, _title(path)) for name, path in beside.items())
    yield from (
        (path.name, _title(path))
        for path in sorted(shipped("specs").glob("*.hvae"))
        if path.name not in beside and (source.path is None or path.resolve() != source.path.resolve())
    )


def is_base(path: Path | None) -> bool:
    """Whether a file beside this one extends it: what it leaves out is not missing, as `hvaedsl lint FOLDER` has it."""
    if path is None:
        return False
    return any(_extends(other, path) for other in _beside(path))


def _extends(child: Path, base: Path) -> bool:
    try:
        text = read_source(child).text
        found = _EXTENDS.search(text)
        return found is not None and (child.parent / found[1]).resolve() == base.resolve()
    except (SpecError, UsageError, OSError, ValueError):
        return False


def _beside(path: Path | None) -> list[Path]:
    """The other specs in the folder of a file."""
    if path is None:
        return []
    try:
        found = sorted(path.absolute().parent.glob("*.hvae"))
        return [item for item in found if item.name != path.name][:_MOST]
    except OSError:
        return []


def _title(path: Path) -> str:
    """The comment that a spec begins with; empty where it has none, or cannot be read."""
    try:
        first = read_source(path).text.split("\n", 1)[0]
    except (SpecError, UsageError):
        return ""
    return first.lstrip("# ").rstrip() if first.startswith("#") else ""
