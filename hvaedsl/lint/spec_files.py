"""Find and load several spec files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.record import Record
from hvaedsl.lint.gitignore import IgnoreRules, rules_above
from hvaedsl.lint.linted import AllowCustom, is_allowed_in_base, no_custom
from hvaedsl.syntax.text import real_path, reason_of, source_of

if TYPE_CHECKING:
    from hvaedsl.program import Compilation, Overrides, Program


class SpecFiles(Record):
    """The files that paths name, and why others, and folders, could not be read.

    `is_complete` is whether each of the paths itself could be read and names a file. `outside` are those of the files
    that are reached only through a link which leaves the folder that was named; `why_kept` says why commands do not
    rewrite them.
    """

    files: tuple[str, ...]
    refused: tuple[str, ...]
    is_complete: bool
    outside: tuple[str, ...] = ()

    @staticmethod
    def why_kept(name: str) -> str:
        """The name of a link that leaves its folder, and why the file behind it is not rewritten."""
        return f"{name}, a link to {real_path(Path(name))}, outside of the folder; to rewrite that file, name it"


def spec_files(*paths: str) -> SpecFiles:
    """Return files as they are, and in place of a folder its `.hvae` files, sorted.

    Hidden folders are skipped, and everything that `.gitignore` files ignore: those in the folder, and above it up to
    the folder with `.git`. A folder without specs is refused.
    """
    files: list[str] = []
    refused: list[str] = []
    leaving: list[str] = []  # the links that leave their folder
    reached: list[str] = []  # the other files
    complete = True
    for path in paths:
        folder = Path(path)
        if not _is_folder(folder):
            files.append(path)
            reached.append(path)
            continue

        closed: list[str] = []
        below = _below(folder, rules_above(folder), closed)
        found = sorted((str(file), is_link) for file, is_link in below if _may_be_read(file, is_link, closed))
        if not found and not closed:
            closed.append(f"{path}: no .hvae file in this folder, or .gitignore ignores them")
        files += [file for file, _ in found]
        refused += sorted(closed)
        complete = complete and bool(found)
        for file, is_link in found:
            leaves = is_link and not real_path(Path(file)).is_relative_to(real_path(folder))
            (leaving if leaves else reached).append(file)

    known = {real_path(Path(file)) for file in reached} if leaving else set()
    outside = tuple(file for file in leaving if real_path(Path(file)) not in known)
    return SpecFiles(tuple(files), tuple(refused), complete, outside)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # reading it says why
        return False


def _may_be_read(path: Path, is_link: bool, closed: list[str]) -> bool:
    """Whether a file of a folder is a spec to read: a regular file, or one about which reading it says more.

    A link that leads nowhere is added to `closed`, unless it is hidden, as the lock files of Emacs are.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if not is_link:
            return True
        if not path.name.startswith("."):
            closed.append(f"{path}: a link to {path.readlink()}: {reason_of(error)}")
        return False


def _below(folder: Path, rules: IgnoreRules, closed: list[str]) -> Iterator[tuple[Path, bool]]:
    """The `.hvae` files of a folder that are not ignored, and whether each is a link.

    Folders that cannot be read are added to `closed`.
    """
    rules = rules.followed_by(folder)
    try:
        entries = [(item.name, item.is_dir(follow_symlinks=False), item.is_symlink()) for item in os.scandir(folder)]
    except OSError as error:
        closed.append(f"{folder}: {reason_of(error)}")
        return

    for name, is_folder, is_link in entries:
        path = folder / name
        candidate = not name.startswith(".") if is_folder else name.endswith(".hvae")
        if not candidate or rules.ignore(path, is_folder=is_folder):
            continue  # no rule brings back a file in an ignored folder: it is not entered
        if is_folder:
            yield from _below(path, rules, closed)
        else:
            yield path, is_link


def load_models(
    files: Iterable[str],
    *,
    sets: Overrides | None = None,
    lets: Overrides | None = None,
    custom: AllowCustom = no_custom,
) -> tuple[list[Program], list[Diagnostic], list[str]]:
    """Return the programs of the files, in order, the errors of others, and why the rest could not be read.

    A base that lacks keys is skipped if another of the files extends it.
    """
    from hvaedsl.program import compile_source

    compilations: list[Compilation] = []
    errors: list[Diagnostic] = []
    refused: list[str] = []
    for file in files:
        try:
            compilations.append(compile_source(source_of(file), sets=sets, lets=lets, custom=custom(file)))
        except SpecError as error:  # too large, or not text
            errors.extend(error.diagnostics)
        except UsageError as error:
            refused.append(error.report)

    bases = _bases(compilations)
    failed = [item for item in compilations if item.program is None]
    errors += [error for item in failed for error in item.diagnostics if not is_allowed_in_base(error, bases)]
    return [item.program for item in compilations if item.program is not None], errors, refused


def _bases(compilations: Sequence[Compilation]) -> set[Path]:
    paths = (document.source.path for item in compilations for document in item.documents[:-1])
    return {path.resolve() for path in paths if path is not None}
