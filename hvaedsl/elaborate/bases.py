"""Locate the base that an `extends` names: relative to the file and inside its project, or a shipped spec."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.diagnostics.diagnostic import nearest, writing
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.names import BaseNotFound, BaseOutside
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.shipped import shipped
from hvaedsl.syntax.text import exists, is_file, read_source


def base_of(target: str, child: Source) -> Source | None:
    """The source of the base that `child` extends, read from disk; None if it does not exist or cannot be read."""
    nowhere = Source(child.name, "", child.path).span(0, 0)
    try:
        path = find_base(target, child.path, nowhere)
        return read_source(path, display_path(path, child))
    except (SpecError, UsageError, OSError, RuntimeError, ValueError):  # `load_chain` reports them
        return None


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
