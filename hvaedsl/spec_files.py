"""What commands do with many spec files at once: find them, lint them, load them. Bases are judged as bases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hvaedsl.catalog.names import MissingKey
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.errors import SpecError, UsageError
from hvaedsl.program import Compilation, Overrides, Plugins, Program, compile_source, source_of

# Whether one's own parts may be imported for a file.
Leave = Callable[[str], Plugins | None]


def no_plugins(_: str) -> None:
    """Nothing is imported."""


def spec_files(path: str) -> list[str]:
    """A file as it is; of a folder every `.hvae` file in it, in order. Raises `UsageError` for a folder without any."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    files = sorted(str(file) for file in folder.rglob("*.hvae") if file.is_file())
    if not files:
        raise UsageError(f"{path}: no .hvae file in this folder")
    return files


def lint_files(
    files: Iterable[str],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    plugins: Leave = no_plugins,
) -> list[Diagnostic]:
    """Everything that is found in the files. Raises `UsageError` for a file that is not there.

    A file that another one of them extends is a base: what it leaves out is not missing. A base's own mistakes are
    found through each of its children, and given once.
    """
    found: list[Diagnostic] = []
    compilations: list[Compilation] = []
    for file in files:
        try:
            compilations.append(compile_source(source_of(file), sets=sets, lets=lets, plugins=plugins(file)))
            found.extend(compilations[-1].diagnostics)
        except SpecError as error:
            found.extend(error.diagnostics)
    bases = _bases(compilations)
    return [item for item in dict.fromkeys(found) if not _left_to_children(item, bases)]


def load_models(
    files: Iterable[str],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    plugins: Leave = no_plugins,
) -> tuple[list[Program], list[Diagnostic]]:
    """The programs of the files, in order, and what is wrong with the others.

    A base beside a file that extends it may lack what a model needs: it is left out. Raises `UsageError` for a file
    that is not there.
    """
    compilations = [compile_source(source_of(file), sets=sets, lets=lets, plugins=plugins(file)) for file in files]
    bases = _bases(compilations)
    failed = [item for item in compilations if item.program is None]
    errors = [error for item in failed for error in item.diagnostics if not _left_to_children(error, bases)]
    return [item.program for item in compilations if item.program is not None], errors


def _bases(compilations: Sequence[Compilation]) -> set[Path]:
    paths = (document.source.path for item in compilations for document in item.documents[:-1])
    return {path.resolve() for path in paths if path is not None}


def _left_to_children(item: Diagnostic, bases: set[Path]) -> bool:
    path = item.span.source.path
    return isinstance(item, MissingKey) and path is not None and path.resolve() in bases
