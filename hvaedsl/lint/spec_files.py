"""Find, lint and load several spec files; keys that a base leaves out are not errors."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.custom.importing import CustomParts
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.cache import CacheKey, LintCache, LintResult, lint_result
from hvaedsl.syntax.text import read_source, source_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

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
    files = sorted(str(file) for file in _below(folder, _rules_above(folder)) if file.is_file())
    if not files:
        raise UsageError(f"{path}: no .hvae file in this folder, or .gitignore ignores them")
    return files


class _Rules(Record):
    """The patterns of `.gitignore` files, the root's first, that decide about the entries of one folder.

    pathspec ranks a pattern that means an entry itself above one that means a folder above it, but knows a folder only
    by a slash at its end, which undoes this rank. So a folder is matched like a file, with patterns that lack theirs.
    """

    root: Path
    files: GitIgnoreSpec | None = None
    folders: GitIgnoreSpec | None = None

    def ignore(self, path: Path, *, is_folder: bool) -> bool:
        """Whether the last pattern that means the path ignores it."""
        spec = self.folders if is_folder else self.files
        return spec is not None and spec.match_file((path.parent.resolve() / path.name).relative_to(self.root))

    def followed_by(self, folder: Path) -> _Rules:
        """These rules and those of the folder's own `.gitignore`, if it has one that can be read."""
        try:
            text = (folder / ".gitignore").read_text(encoding="utf-8-sig", errors="replace")
        except OSError:
            return self

        from pathspec import GitIgnoreSpec  # imported only if there is a .gitignore

        files, folders = (list(spec.patterns) if spec else [] for spec in (self.files, self.folders))
        place = folder.resolve().relative_to(self.root).as_posix()
        for line in text.split("\n"):
            pattern = _from_root(line.removesuffix("\r"), place)
            # Line by line: git skips a line that is not a pattern, pathspec refuses the whole file.
            with suppress(ValueError), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # for a set such as `[[]`, which is valid in git
                files += GitIgnoreSpec.from_lines([pattern]).patterns
                folders += GitIgnoreSpec.from_lines([pattern.removesuffix("/")]).patterns
        return _Rules(self.root, GitIgnoreSpec(files), GitIgnoreSpec(folders))


def _from_root(line: str, place: str) -> str:
    """A line of the `.gitignore` in the folder `place` as the root's would have it, without spaces at its end."""
    if line.startswith("#"):
        return ""
    pattern = re.sub(r"(?<!\\) +$", "", line)
    sign = "!" * pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    if place == "." or not pattern.strip("/"):
        return sign + pattern

    # A pattern with a slash before its end is anchored at its folder; any other applies at every depth below it.
    depth = "" if "/" in pattern[:-1] else "**/"
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", place)
    return f"{sign}/{escaped}/{depth}{pattern.removeprefix('/')}"


def _rules_above(folder: Path) -> _Rules:
    """The rules above a folder, up to the root of its repository.

    None if they ignore the folder: one that is named on the command line is always searched.
    """
    absolute = folder.resolve()
    root = next((item for item in (absolute, *absolute.parents) if (item / ".git").exists()), absolute)
    down = [item for item in reversed((absolute, *absolute.parents)) if item.is_relative_to(root)]

    rules = _Rules(root)
    for above, below in pairwise(down):
        rules = rules.followed_by(above)
        if rules.ignore(below, is_folder=True):
            return _Rules(root)
    return rules


def _below(folder: Path, rules: _Rules) -> Iterator[Path]:
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
