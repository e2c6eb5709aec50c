"""The `.gitignore` files of a repository, read as git reads them; pathspec matches the patterns."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.diagnostics.record import Record
from hvaedsl.lint.checkout import repository_root

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class IgnoreRules(Record):
    """The patterns of `.gitignore` files, from the root down, that apply to the entries of one folder.

    For a file, pathspec ranks patterns that match the file itself above those that match one of its folders, as git
    does. For a path with a slash at its end, a folder, it does not. Folders are therefore matched like files, without
    the slash, against the same patterns without theirs.
    """

    root: Path
    files: GitIgnoreSpec | None = None
    folders: GitIgnoreSpec | None = None

    def ignore(self, path: Path, *, is_folder: bool) -> bool:
        """Whether the last pattern that matches a path ignores it."""
        spec = self.folders if is_folder else self.files
        return spec is not None and spec.match_file((path.parent.resolve() / path.name).relative_to(self.root))

    def followed_by(self, folder: Path) -> IgnoreRules:
        """Return these rules followed by those of the folder's `.gitignore`, if it has one that can be read."""
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
        return IgnoreRules(self.root, GitIgnoreSpec(files), GitIgnoreSpec(folders))


def _from_root(line: str, place: str) -> str:
    """Convert a line of the `.gitignore` in the folder `place` to an equal pattern relative to the root."""
    if line.startswith("#"):
        return ""
    pattern = re.sub(r"(?<!\\) +$", "", line)
    sign = "!" * pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    if place == "." or not pattern.strip("/"):
        return sign + _folders_only(pattern)

    # A pattern with a slash before its end is anchored at its folder; any other applies at every depth below it.
    depth = "" if "/" in pattern[:-1] else "**/"
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", place)
    return _folders_only(f"{sign}/{escaped}/{depth}{pattern.removeprefix('/')}")


def _folders_only(pattern: str) -> str:
    """Write a final `**/` so that pathspec, like git, matches folders with it and no files."""
    return re.sub(r"(^|/)\*\*/$", r"\1**/*/", pattern)


def rules_above(folder: Path) -> IgnoreRules:
    """Return the rules above a folder, up to the root of its repository.

    There are none if they ignore the folder, because a folder that is named explicitly is always searched.
    """
    absolute = folder.resolve()
    root = repository_root(absolute) or absolute
    down = [item for item in reversed((absolute, *absolute.parents)) if item.is_relative_to(root)]

    rules = IgnoreRules(root)
    for above, below in pairwise(down):
        rules = rules.followed_by(above)
        if rules.ignore(below, is_folder=True):
            return IgnoreRules(root)
    return rules
