"""Which files a spec may extend, and which files extend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.inheritance import Read
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document
from hvaedsl.syntax.text import read_source

_MAX_FILES = 200  # of a folder that are read


def bases_for(source: Source) -> Iterator[tuple[str, str]]:
    """Names that `extends` accepts in this file, each with a title: files in the same folder, then shipped specs."""
    siblings = {path.name: path for path in _siblings(source.path)}
    yield from ((name, _title(path)) for name, path in siblings.items())
    yield from (
        (path.name, _title(path))
        for path in sorted(shipped("specs").glob("*.hvae"))
        if path.name not in siblings and (source.path is None or path.resolve() != source.path.resolve())
    )


def is_base(path: Path | None, read: Read = read_source) -> bool:
    """Whether a file in the same folder extends this one, so that its missing keys are not errors."""
    return path is not None and any(_extends(other, path, read) for other in _siblings(path))


def _extends(child: Path, base: Path, read: Read) -> bool:
    try:
        source = read(child, child.name)
    except (SpecError, UsageError):
        return False

    if "extends" not in source.text or base.stem not in source.text:
        return False  # true of most files, which are not parsed then
    statements = parse_document(source).document.statements
    targets = [item.target.value for item in statements if isinstance(item, ast.Extends)]
    try:
        return any((child.parent / target).resolve() == base.resolve() for target in targets)
    except (OSError, RuntimeError, ValueError):  # not a valid file name
        return False


def _siblings(path: Path | None) -> list[Path]:
    """Other specs in the folder of a file."""
    if path is None:
        return []
    try:
        found = sorted(path.absolute().parent.glob("*.hvae"))
        return [item for item in found if item.name != path.name][:_MAX_FILES]
    except OSError:
        return []


def _title(path: Path) -> str:
    """The comment on the first line of a spec; empty if there is none or the file cannot be read."""
    try:
        first = read_source(path).line(1)
    except (SpecError, UsageError):
        return ""
    return first.lstrip("# ").rstrip() if first.startswith("#") else ""
