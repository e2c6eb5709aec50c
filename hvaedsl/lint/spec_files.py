"""What commands do with many spec files at once: find them, lint them, load them. Bases are judged as bases."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.custom.importing import CustomParts
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.cache import Judged, LintCache, Question, judged
from hvaedsl.syntax.text import read_source, source_of

if TYPE_CHECKING:
    from hvaedsl.elaborate.inheritance import Read
    from hvaedsl.program import Compilation, Overrides, Program

# Whether one's own parts may be imported for a file.
Leave = Callable[[str], CustomParts | None]


def no_custom(_: str) -> None:
    """Nothing is imported."""


def spec_files(path: str) -> list[str]:
    """A file as it is; of a folder every `.hvae` file in it, in order.

    Hidden folders are left out, and what `.gitignore` files leave out: those in the folder, and above it up to the one
    that has `.git`. Raises `UsageError` for a folder without any, or one that cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    files = sorted(str(file) for file in _below(folder, _rules_above(folder)) if file.is_file())
    if not files:
        raise UsageError(f"{path}: no .hvae file in this folder, or .gitignore leaves them out")
    return files


class _Rules(Record):
    """One `.gitignore`: the folder that it stands in, and its patterns with whether they leave out or take back in."""

    folder: Path
    patterns: Sequence[tuple[re.Pattern[str], bool]]

    def ignore(self, path: Path, *, folder: bool) -> bool | None:
        """Whether they leave a path out (True) or take it back in (False); None where they say nothing."""
        if self.folder not in path.parents:
            return None
        name = path.relative_to(self.folder).as_posix()
        answers = (
            leave_out for pattern, leave_out in reversed(self.patterns) if _matches(pattern, name, folder=folder)
        )
        return next(answers, None)


def _matches(pattern: re.Pattern[str], name: str, *, folder: bool) -> bool:
    """Whether a pattern of pathspec's means this path itself.

    It also matches what is below a folder that it means: the one group of its expression is that folder's slash. Such a
    folder has been asked for before its files, as git does it.
    """
    entry = name + "/" * folder
    means_folder = any(found.lastindex and found.end() == len(entry) for found in pattern.finditer(entry))
    return means_folder or any(not found.lastindex for found in pattern.finditer(name))


def _below(folder: Path, rules: Sequence[_Rules]) -> Iterator[Path]:
    """The `.hvae` files of a folder; the rules of a deeper folder come last and count first."""
    rules = [*rules, *_rules_in(folder)]
    absolute = folder.resolve()
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UsageError(f"{folder}: {(error.strerror or str(error)).lower()}") from None
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        wanted = not entry.name.startswith(".") if is_folder else entry.name.endswith(".hvae")
        if wanted and not _ignored(absolute / entry.name, rules, folder=is_folder):
            if is_folder:
                yield from _below(folder / entry.name, rules)
            else:
                yield folder / entry.name


def _ignored(path: Path, rules: Sequence[_Rules], *, folder: bool) -> bool:
    answers = (item.ignore(path, folder=folder) for item in reversed(rules))
    return next((answer for answer in answers if answer is not None), False)


def _rules_above(folder: Path) -> list[_Rules]:
    """Those of the folders above, inside one repository; none where they leave out this folder, which was asked for."""
    rules: list[_Rules] = []
    absolute = folder.resolve()
    root = next((item for item in (absolute, *absolute.parents) if (item / ".git").exists()), absolute)
    for above in reversed(absolute.parents):
        if above.is_relative_to(root):
            rules += _rules_in(above)
    below = [item for item in (absolute, *absolute.parents) if item != root and item.is_relative_to(root)]
    return [] if any(_ignored(item, rules, folder=True) for item in below) else rules


def _rules_in(folder: Path) -> list[_Rules]:
    """The `.gitignore` of a folder, if it has one that can be read."""
    try:
        lines = (folder / ".gitignore").read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []
    return [_Rules(folder.resolve(), [pattern for line in lines for pattern in _patterns(line.rstrip("\r"))])]


def _patterns(line: str) -> Iterator[tuple[re.Pattern[str], bool]]:
    """The pattern of a line; none for a comment, and none for what is no pattern, as git passes over it too."""
    from pathspec import GitIgnoreSpec, RegexPattern  # only where there is a .gitignore

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of a set such as `[[]`, which git knows
            made = GitIgnoreSpec.from_lines([line]).patterns
    except ValueError:
        return
    for pattern in made:
        if isinstance(pattern, RegexPattern) and pattern.regex is not None and pattern.include is not None:
            yield pattern.regex, pattern.include


class Linted(Record):
    """What was found in several specs, and how each of them compiled."""

    found: tuple[Diagnostic, ...]
    judged: tuple[Judged, ...]
    compilations: tuple[Compilation, ...]  # of those that the cache did not know


def lint_sources(
    sources: Iterable[Source],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    custom: Leave = no_custom,
    read: Read = read_source,
    cache: LintCache | None = None,
) -> Linted:
    """Everything that is found in specs; `read` gives the texts of their bases. The cache is asked first.

    A spec that another one of them extends is a base: what it leaves out is not missing. A base's own mistakes are
    found through each of its children, and given once.
    """
    cache = cache or LintCache(None)
    known: list[Judged] = []
    compilations: list[Compilation] = []
    for source in sources:
        allowed = custom(source.name)
        question = Question(source, sets or {}, lets or {}, allowed is not None)
        answer = cache.recall(question)
        if answer is None:
            from hvaedsl.program import compile_source  # the compiler is not loaded for what is known

            compilation = compile_source(source, sets=sets, lets=lets, custom=allowed, read=read)
            compilations.append(compilation)
            cache.remember(question, compilation)
            answer = judged(compilation)
        known.append(answer)
    cache.prune()
    bases = {base.path.resolve() for item in known for base in item.sources[:-1] if base.path is not None}
    found = {
        (diagnostic.code, diagnostic.span, diagnostic.message): diagnostic
        for item in known
        for diagnostic in item.diagnostics
    }
    given = tuple(item for item in found.values() if not _left_to_children(item, bases))
    return Linted(given, tuple(known), tuple(compilations))


def load_models(
    files: Iterable[str],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    custom: Leave = no_custom,
) -> tuple[list[Program], list[Diagnostic]]:
    """The programs of the files, in order, and what is wrong with the others.

    A base beside a file that extends it may lack what a model needs: it is left out. Raises `UsageError` for a file
    that is not there.
    """
    from hvaedsl.program import compile_source

    compilations = [compile_source(source_of(file), sets=sets, lets=lets, custom=custom(file)) for file in files]
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
