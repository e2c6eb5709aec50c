"""Find, lint and load several spec files; keys that a base leaves out are not errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.custom.importing import CustomParts
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.cache import CacheKey, LintCache, LintResult, lint_result
from hvaedsl.lint.gitignore import IgnoreRules, rules_above
from hvaedsl.syntax.text import read_source, source_of

if TYPE_CHECKING:
    from hvaedsl.elaborate.inheritance import Read
    from hvaedsl.program import Compilation, Overrides, Program

# Returns the custom parts that may be imported for a file; None for none.
AllowCustom = Callable[[str], CustomParts | None]


def no_custom(_: str) -> None:
    """Allow no custom parts."""


def spec_files(path: str) -> list[str]:
    """Return a file as it is, or the `.hvae` files of a folder, sorted.

    Hidden folders are skipped, and everything that `.gitignore` files ignore: those in the folder, and above it up to
    the folder with `.git`. Raises `UsageError` for a folder without specs or one that cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    files = sorted(str(file) for file in _below(folder, rules_above(folder)) if file.is_file())
    if not files:
        raise UsageError(f"{path}: no .hvae file in this folder, or .gitignore ignores them")
    return files


def _below(folder: Path, rules: IgnoreRules) -> Iterator[Path]:
    """The `.hvae` files of a folder that are not ignored."""
    rules = rules.followed_by(folder)
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UsageError(f"{folder}: {(error.strerror or str(error)).lower()}") from None

    for entry in entries:
        path, is_folder = folder / entry.name, entry.is_dir(follow_symlinks=False)
        candidate = not entry.name.startswith(".") if is_folder else entry.name.endswith(".hvae")
        if not candidate or rules.ignore(path, is_folder=is_folder):
            continue  # no rule brings back a file in an ignored folder: it is not entered
        if is_folder:
            yield from _below(path, rules)
        else:
            yield path


class Linted(Record):
    """The diagnostics of several specs, the result of each, and the compilations."""

    found: tuple[Diagnostic, ...]
    results: tuple[LintResult, ...]
    compilations: tuple[Compilation, ...]  # of the specs that were not in the cache


def lint_sources(
    sources: Iterable[Source],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    custom: AllowCustom = no_custom,
    read: Read = read_source,
    cache: LintCache | None = None,
) -> Linted:
    """Lint specs, from the cache if possible; `read` returns the texts of their bases.

    Missing keys are not reported in a spec that another one extends. The errors of a base, which every spec that
    extends it has, are reported once.
    """
    cache = cache or LintCache(None)
    results: list[LintResult] = []
    compilations: list[Compilation] = []
    for source in sources:
        allowed = custom(source.name)
        key = CacheKey(source, sets or {}, lets or {}, allowed is not None)
        result = cache.recall(key)
        if result is None:
            from hvaedsl.program import compile_source  # the compiler is not imported for cached results

            compilation = compile_source(source, sets=sets, lets=lets, custom=allowed, read=read)
            compilations.append(compilation)
            cache.remember(key, compilation)
            result = lint_result(compilation)
        results.append(result)
    cache.prune()

    bases = {base.path.resolve() for item in results for base in item.sources[:-1] if base.path is not None}
    found = {
        (diagnostic.code, diagnostic.span, diagnostic.message): diagnostic
        for item in results
        for diagnostic in item.diagnostics
    }
    given = tuple(item for item in found.values() if not _is_allowed_in_base(item, bases))
    return Linted(given, tuple(results), tuple(compilations))


def load_models(
    files: Iterable[str],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    custom: AllowCustom = no_custom,
) -> tuple[list[Program], list[Diagnostic]]:
    """Return the programs of the files, in order, and the errors of the others.

    A base that lacks keys is skipped if another of the files extends it. Raises `UsageError` for a missing file.
    """
    from hvaedsl.program import compile_source

    compilations = [compile_source(source_of(file), sets=sets, lets=lets, custom=custom(file)) for file in files]
    bases = _bases(compilations)
    failed = [item for item in compilations if item.program is None]
    errors = [error for item in failed for error in item.diagnostics if not _is_allowed_in_base(error, bases)]
    return [item.program for item in compilations if item.program is not None], errors


def _bases(compilations: Sequence[Compilation]) -> set[Path]:
    paths = (document.source.path for item in compilations for document in item.documents[:-1])
    return {path.resolve() for path in paths if path is not None}


def _is_allowed_in_base(item: Diagnostic, bases: set[Path]) -> bool:
    path = item.span.source.path
    return isinstance(item, MissingKey) and path is not None and path.resolve() in bases
