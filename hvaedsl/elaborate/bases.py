"""Where the base is that an `extends` names: beside the file, inside its project, or among the shipped specs."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.names import BaseNotFound, BaseOutside
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.shipped import shipped
from hvaedsl.syntax.text import read_source


def base_of(target: str, child: Source) -> Source | None:
    """The source that a file names as its base, read anew; None where there is none, or it cannot be had."""
    nowhere = Source(child.name, "", child.path).span(0, 0)
    try:
        path = find_base(target, child.path, nowhere)
        return read_source(path, shown(path, child))
    except (SpecError, UsageError, OSError, RuntimeError, ValueError):  # the loader of chains says which
        return None


def find_base(target: str, here: Path | None, span: Span) -> Path:
    """The file that `extends "TARGET"` at `span` means in the file `here`.

    Raises `SpecError` where there is none, and what the file system says of names that are none: `OSError`,
    `RuntimeError`, `ValueError`.
    """
    tried = []
    if here is not None:
        folder = here.resolve().parent
        path = (folder / target).resolve()
        root = project_root(folder)
        if not any(path.is_relative_to(allowed) for allowed in (root, shipped("specs").resolve())):
            raise SpecError([BaseOutside(span=span, target=target, root=root.name or str(root))])
        if path.is_file():
            return path
        tried.append("no such file beside this one")
    path = (shipped("specs") / target).resolve()
    if path.is_relative_to(shipped("specs").resolve()) and path.is_file():
        return path
    tried.append("no shipped spec of that name")
    known = sorted(p.name for p in shipped("specs").glob("*.hvae"))
    hint = f"shipped are {', '.join(known)}" if known else ""
    raise SpecError([BaseNotFound(span=span, target=target, reason=" and ".join(tried), hint=hint)])


def project_root(folder: Path) -> Path:
    """The nearest folder from here up that has `.git` or `pyproject.toml`, else the folder itself."""
    for candidate in (folder, *folder.parents):
        if (candidate / ".git").exists() or (candidate / "pyproject.toml").exists():
            return candidate
    return folder


def shown(path: Path, child: Source) -> str:
    """The base's path as a user reads it: beside the child's own where that is relative."""
    if child.path is None or Path(child.name).is_absolute() or child.path.resolve().parent not in path.parents:
        return str(path)
    return str(Path(child.name).parent / path.relative_to(child.path.resolve().parent))
