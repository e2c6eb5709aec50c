"""The chain of documents behind a spec: what it extends, itself, and the command line, in the order of their weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hvaedsl.catalog.names import BaseNotFound, BaseOutside, InheritanceCycle
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.errors import SpecError, UsageError
from hvaedsl.shipped import shipped
from hvaedsl.span import Source, Span
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document
from hvaedsl.syntax.text import read_source


@dataclass(frozen=True)
class Chain:
    """Documents from the root base to the spec itself, and what was wrong with reading them."""

    documents: tuple[ast.Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    complete: bool  # every document could be read to its end


def load_chain(source: Source) -> Chain:
    """Parse a spec and what it extends, base first."""
    documents: list[ast.Document] = []
    diagnostics: list[Diagnostic] = []
    complete = True
    seen: list[Path | None] = []
    current: Source | None = source
    while current is not None:
        seen.append(current.path.resolve() if current.path else None)
        parsed = parse_document(current)
        documents.insert(0, parsed.document)
        diagnostics = [*parsed.diagnostics, *diagnostics]
        complete = complete and parsed.complete
        extends = next((s for s in parsed.document.statements if isinstance(s, ast.Extends)), None)
        current = None
        if extends is not None:
            try:
                current = _base(extends, seen)
            except SpecError as error:
                diagnostics.extend(error.diagnostics)
                complete = False
    return Chain(tuple(documents), tuple(diagnostics), complete)


def base_of(target: str, child: Source) -> Source | None:
    """The source that a file names as its base, read anew; None where there is none, or it cannot be had."""
    nowhere = Source(child.name, "", child.path).span(0, 0)
    try:
        path = _find(target, child.path, nowhere)
        return read_source(path, _shown(path, child))
    except (SpecError, UsageError, OSError, RuntimeError, ValueError):  # as in `_base`, which says what is wrong
        return None


def _base(extends: ast.Extends, seen: list[Path | None]) -> Source:
    """The source that an `extends` names. Raises `SpecError`."""
    target, span = extends.target.value, extends.target.span
    here = span.source.path
    try:
        path = _find(target, here, span)
    except OSError as error:  # too long a name, a loop of links
        reason = (error.strerror or "cannot be read").lower()
        raise SpecError([BaseNotFound(span=span, target=target, reason=reason)]) from None
    except RuntimeError:  # a loop of links, up to Python 3.12
        raise SpecError([BaseNotFound(span=span, target=target, reason="a loop of symbolic links")]) from None
    except ValueError as error:  # a NUL in it
        raise SpecError([BaseNotFound(span=span, target=target, reason=str(error))]) from None
    if path in seen:
        names = [p.name if p else "this spec" for p in seen[seen.index(path) :]]
        raise SpecError([InheritanceCycle(span=span, cycle=" -> ".join([*names, path.name]))])
    try:
        return read_source(path, _shown(path, span.source))
    except UsageError as error:
        raise SpecError([BaseNotFound(span=span, target=target, reason=str(error))]) from None


def _find(target: str, here: Path | None, span: Span) -> Path:
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


def _shown(path: Path, child: Source) -> str:
    """The base's path as a user reads it: beside the child's own where that is relative."""
    if child.path is None or Path(child.name).is_absolute() or child.path.resolve().parent not in path.parents:
        return str(path)
    return str(Path(child.name).parent / path.relative_to(child.path.resolve().parent))


def override_sources(options: Mapping[str, str], flag: str) -> dict[str, Source]:
    """Each override's value text as a source of its own, so that a diagnostic can point into it."""
    return {key: Source(f"{flag} {key}", text) for key, text in options.items()}
