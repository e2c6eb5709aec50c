"""Image files that cannot be used, gathered over a whole pass so that one message names them."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hvaedsl.diagnostics.errors import InvalidData, UnusableImages
from hvaedsl.diagnostics.refusals import TOO_MANY_FILES

REPLACE = "replace or remove damaged files"
READABLE = "make files and folders readable, for example with `chmod -R u+rX FOLDER`, or run as their owner"
DEAD_LINKS: Mapping[int | None, str] = {errno.ENOENT: "does not exist", errno.ELOOP: "leads back to it"}
# Files that the message names; the rest is counted.
NAMED = 20


class Unusable(Exception):
    """An image file that cannot be used, with the way out.

    `of_file` is the way out that changes only the file, for a model that is trained; the same unless given.
    """

    def __init__(self, reason: str, remedy: str, of_file: str = "") -> None:
        self.remedy = remedy
        self.of_file = of_file or remedy
        super().__init__(reason)


def too_many_pixels(found: str, limit: int) -> Unusable:
    """Make the error for an image of `found` pixels, more than are decoded."""
    return Unusable(
        f"the image has {found} pixels; at most {limit:,} are decoded",
        "scale such files down, for example with libvips: `vips thumbnail IN OUT 2048`",
    )


class ImageProblem(NamedTuple):
    """Why one file cannot be used, and what to do about such files."""

    file: str
    reason: str
    remedy: str


def refused_file(path: Path, error: OSError, *, missing: str = "") -> ImageProblem:
    """The problem of a file that the system does not open; `missing` is the remedy for one that is not there."""
    if path.is_symlink() and error.errno in DEAD_LINKS:
        reason = f"it is a link to {path.readlink()}, which {DEAD_LINKS[error.errno]}"
        return ImageProblem(str(path), reason, "restore the files that the links lead to, or remove the links")
    if isinstance(error, FileNotFoundError):
        remedy = missing or "restore the files, and let no other program change the folder"
        return ImageProblem(str(path), "it is not there any more", remedy)
    reason = f"it cannot be opened: {_reason(error)}"
    if isinstance(error, PermissionError):
        return ImageProblem(str(path), reason, READABLE)
    remedy = TOO_MANY_FILES.get(error.errno or 0, "check the disk or the network drive that has the files")
    return ImageProblem(str(path), reason, remedy)


def unlisted(error: OSError, root: Path | None = None, *, what: str = "") -> InvalidData:
    """Make the error for a folder or file that the system does not list or open.

    `root` is named if `error` names no path; `what` begins the message.
    """
    place = error.filename or root
    message = f"{what}{'' if place is None else f'{place}: '}cannot be read: {_reason(error)}"
    return InvalidData(message, help=TOO_MANY_FILES.get(error.errno or 0, READABLE))


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


@dataclass
class Problems:
    """The first problems of a pass, and the number of files for each remedy; its size is bounded.

    `what` names the files in a message: image files, or rows of a table.
    """

    what: str = "image files"
    named: list[ImageProblem] = field(default_factory=list)
    files_by_remedy: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.named)

    def add(self, problem: ImageProblem) -> None:
        """Record the problem of one file."""
        self.files_by_remedy[problem.remedy] += 1
        if len(self.named) < NAMED:
            self.named.append(problem)

    def merge(self, error: UnusableImages) -> None:
        """Record the problems of an error that `error` made."""
        assert isinstance(error.problems, Problems)
        self.what = error.problems.what
        self.files_by_remedy.update(error.problems.files_by_remedy)
        self.named.extend(error.problems.named[: NAMED - len(self.named)])

    def raise_any(self) -> None:
        """Raise UnusableImages if a problem was recorded."""
        if self:
            raise self.error()

    def error(self) -> UnusableImages:
        """Make the error that names the files, with each remedy and the number of its files."""
        total = self.files_by_remedy.total()
        lines = [f"{problem.file}: {problem.reason}" for problem in self.named]
        if total > len(lines):
            lines.append(f"... and {total - len(lines):,} more")
        message = lines[0] if total == 1 else "\n  ".join((f"{total:,} {self.what} cannot be used:", *lines))

        # The number of files is said where it tells remedies apart.
        remedies = [
            remedy if len(self.files_by_remedy) == 1 else f"{files:,} of them: {remedy}"
            for remedy, files in self.files_by_remedy.most_common()
        ]
        return UnusableImages(message, help=";\n    ".join(remedies), problems=self)
