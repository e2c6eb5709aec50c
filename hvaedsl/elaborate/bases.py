"""Locate the base that an `extends` names: relative to the file and inside its project, or a shipped spec."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import nearest, writing
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.names import BaseNotFound, BaseOutside
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.shipped import shipped
from hvaedsl.syntax.text import RealPaths, exists, is_file, read_source

# Returns the text of a base by its path and the name that diagnostics print.
Read = Callable[[Path, str], Source]


class Bases:
    """Finds and reads bases. `read` returns their texts, for callers with newer ones than those on disk."""

    def __init__(self, read: Read = read_source) -> None:
        self._read = read

    def find(self, target: str, child: Source, span: Span) -> tuple[Path, str]:
        """The file that `extends "TARGET"` at `span` names in `child`, and its name in messages.

        Raises as `find_base` does.
        """
        path = find_base(target, child.path, span)
        return path, display_path(path, child)

    def read(self, path: Path, shown: str) -> Source:
        """The text of a base that was found. Raises as `read_source` does."""
        return self._read(path, shown)

    def of(self, target: str, child: Source) -> Source | None:
        """The base that `child` extends; None if it does not exist or cannot be read."""
        nowhere = Source(child.name, "", child.path).span(0, 0)
        try:
            return self.read(*self.find(target, child, nowhere))
        except (SpecError, UsageError, OSError, RuntimeError, ValueError):  # `load_chain` reports them
            return None


class SharedBases(Bases):
    """Finds and reads each base once, for a run over many specs, during which files do not change."""

    def __init__(self, read: Read = read_source) -> None:
        super().__init__(read)
        self._real = RealPaths()
        self._found: dict[tuple[str, str, str], tuple[Path, str]] = {}
        self._texts: dict[tuple[Path, str], Source] = {}

    def find(self, target: str, child: Source, span: Span) -> tuple[Path, str]:
        """The base of `child`, which is that of all specs in its folder whose names have the same form."""
        if child.path is None:
            return super().find(target, child, span)
        place = target, os.path.split(self._real.of(child.path))[0], os.path.split(child.name)[0]
        if place not in self._found:
            self._found[place] = super().find(target, child, span)
        return self._found[place]

    def read(self, path: Path, shown: str) -> Source:
        """The text of a base."""
        if (path, shown) not in self._texts:
            self._texts[path, shown] = super().read(path, shown)
        return self._texts[path, shown]


def find_base(target: str, here: Path | None, span: Span) -> Path:
    """The file that `extends "TARGET"` at `span` names in the file `here`.

    Raises `SpecError` (HV210, HV212) if there is none, and `OSError`, `RuntimeError` or `ValueError` from the file
    system for names that are not valid.
    """
    tried, fix = [], None

    # A file beside the spec comes first, and must be inside the project.
    if here is not None:
        folder = here.resolve().parent
        path = (folder / target).resolve()
        root = project_root(folder)
        if not any(path.is_relative_to(allowed) for allowed in (root, shipped("specs").resolve())):
            raise SpecError([BaseOutside(span=span, target=target, root=root.name or str(root))])
        if path.is_file():
            return path
        found = "a folder, not a file," if path.is_dir() else "not a regular file" if exists(path) else "no such file"
        tried.append(f"{found} beside this one")

    path = (shipped("specs") / target).resolve()
    if path.is_relative_to(shipped("specs").resolve()) and path.is_file():
        return path
    tried.append("no shipped spec of that name")

    known = _specs_in(shipped("specs"))
    beside = _specs_in(here.resolve().parent) if here is not None else []
    hint = f"the shipped specs are {', '.join(known)}" if known else ""
    if near := nearest(target.removesuffix(".hvae"), [name.removesuffix(".hvae") for name in (*beside, *known)]):
        fix = writing(span, f'"{near}.hvae"') if span.text.startswith('"') else None
        hint = f'did you mean `"{near}.hvae"`?'
    if here is not None and (other := other_form(here.parent / target)) is not None:
        hint, fix = other.help, None
    if not {"\n", "\r", "\t"}.isdisjoint(target):
        hint = "`\\n`, `\\r` and `\\t` are control characters; `/` separates folders on every system"
    raise SpecError([BaseNotFound(span=span, target=target, reason=" and ".join(tried), hint=hint, fix=fix)])


def _specs_in(folder: Path) -> list[str]:
    """The names of the specs in a folder, without what cannot be read as one."""
    return sorted(path.name for path in folder.glob("*.hvae") if is_file(path))


def project_root(folder: Path) -> Path:
    """The nearest folder, from `folder` upwards, with `.git` or `pyproject.toml`; `folder` itself if there is none."""
    for candidate in (folder, *folder.parents):
        if exists(candidate / ".git") or exists(candidate / "pyproject.toml"):
            return candidate
    return folder


def display_path(path: Path, child: Source) -> str:
    """The path of a base for messages: relative to the child's if that is relative."""
    if child.path is None or Path(child.name).is_absolute() or child.path.resolve().parent not in path.parents:
        return str(path)
    return str(Path(child.name).parent / path.relative_to(child.path.resolve().parent))
