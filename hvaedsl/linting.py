"""Linting many files at once: what is found, each thing once, and bases judged as bases."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hvaedsl.catalog.names import MissingKey
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.errors import SpecError, UsageError
from hvaedsl.program import Overrides, compile_source, source_of


def lint_files(
    files: Iterable[str], *, sets: Overrides | None = None, lets: Overrides | None = None
) -> list[Diagnostic]:
    """Everything that is found in the files. Raises `UsageError` for a file that is not there.

    A file that another one of them extends is a base: what it leaves out is not missing. A base's own mistakes are
    found through each of its children, and given once.
    """
    found: list[Diagnostic] = []
    bases: set[Path] = set()
    for file in files:
        try:
            source = source_of(file)
        except SpecError as error:
            found.extend(error.diagnostics)
            continue
        compilation = compile_source(source, sets=sets, lets=lets)
        bases |= {document.source.path.resolve() for document in compilation.documents[:-1] if document.source.path}
        found.extend(compilation.diagnostics)
    return [item for item in dict.fromkeys(found) if not _left_to_children(item, bases)]


def spec_files(path: str) -> list[str]:
    """A file as it is; of a folder every `.hvae` file in it, in order. Raises `UsageError` for a folder without any."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    files = sorted(str(file) for file in folder.rglob("*.hvae") if file.is_file())
    if not files:
        raise UsageError(f"{path}: no .hvae file in this folder")
    return files


def _left_to_children(item: Diagnostic, bases: set[Path]) -> bool:
    path = item.span.source.path
    return isinstance(item, MissingKey) and path is not None and path.resolve() in bases
