"""A spec as it stands in a revision: `git:REV:PATH`, read through git, with its bases out of the same revision.

The revision's specs are written into a temporary folder, so that a base is looked for as it is in a working tree;
diagnostics then name their places as `git:REV:PATH`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from hvaedsl.diagnostics.diagnostic import Diagnostic, nearest
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.syntax.text import MAX_FILE_BYTES

PREFIX = "git:"
_REGULAR = ("100644", "100755")
_ROOT_MARK = "pyproject.toml"  # where it stands, the project's folder is; see elaborate/inheritance.py


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision's specs in a folder."""

    revision: str
    folder: Path  # stands for the top of the repository
    path: Path  # the spec that was asked for, inside of it
    beside: Path  # the folder of the working tree that stands for the spec's own: modules are imported from there

    def named(self, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The diagnostics with their places called `git:REV:PATH`, PATH from the top of the repository."""
        known: dict[int, Source] = {}
        return tuple(self._named(item, known) for item in diagnostics)

    def _named(self, item: Diagnostic, known: dict[int, Source]) -> Diagnostic:
        secondary = tuple(replace(label, span=self._moved(label.span, known)) for label in item.secondary)
        return replace(item, span=self._moved(item.span, known), secondary=secondary)

    def _moved(self, span: Span, known: dict[int, Source]) -> Span:
        source = span.source
        if source.path is None or not source.path.is_relative_to(self.folder):
            return span
        # One source stays one object: a diagnostic's places are told apart by it.
        inside = source.path.relative_to(self.folder).as_posix()
        moved = known.setdefault(id(source), replace(source, name=f"{PREFIX}{self.revision}:{inside}"))
        return replace(span, source=moved)


@contextmanager
def checked_out(place: str) -> Iterator[Revision]:
    """The specs of the revision that `git:REV:PATH` names, while the context lasts; PATH is from the working directory.

    Raises `UsageError` where there is no git, no repository, no such revision, or no such file in it.
    """
    revision, path = _parts(place)
    top = Path(os.fsdecode(_git("rev-parse", "--show-toplevel")).rstrip("\n"))
    tree = _tree(revision)
    wanted = _inside(path, top, place)
    files = dict(_files(tree, top))
    if str(wanted) not in files:
        raise UsageError(f"{place}: {wanted} is not a file of {revision}{_meant(wanted, files, top)}")
    with TemporaryDirectory(prefix="hvaedsl-") as temporary:
        # It carries the repository's name, which diagnostics about bases outside of it tell.
        folder = Path(temporary).resolve() / (top.name or "repository")
        (folder / ".git").mkdir(parents=True)
        _write(folder, files, top)
        yield Revision(revision, folder, folder / wanted, top / wanted.parent)


def _parts(place: str) -> tuple[str, str]:
    """Revision and path; the last colon parts them, for a date such as `main@{10:00}` has some too."""
    revision, colon, path = place.removeprefix(PREFIX).rpartition(":")
    if not (revision and colon and path):
        raise UsageError(f"`{place}` names no revision and file: write git:REV:PATH, such as git:HEAD:specs/cifar.hvae")
    return revision, path


def _tree(revision: str) -> str:
    """The tree's hash. A name that git could take for an option is no revision."""
    hint = "`git log` lists the revisions; one that is on a server only is fetched first (git fetch)"
    if revision.startswith("-") or "\0" in revision:
        raise UsageError(f"no revision `{revision}`: {hint}")
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}").decode().strip()
    except UsageError:
        if _git("rev-parse", "--is-shallow-repository").strip() == b"true":
            hint = "this clone is shallow, and `git fetch --unshallow` brings the rest of it"
        raise UsageError(f"no revision `{revision}` in this repository: {hint}") from None


def _inside(path: str, top: Path, place: str) -> PurePosixPath:
    """The path from the top of the repository; symbolic links in the working tree are not followed."""
    below = os.path.relpath(Path.cwd() / path, top.resolve())
    if below == os.pardir or below.startswith(os.pardir + os.sep):
        raise UsageError(f"{place}: {path} lies outside of the repository {top}")
    return PurePosixPath(Path(below).as_posix())


def _meant(wanted: PurePosixPath, files: Collection[str], top: Path) -> str:
    """Which file of a revision was perhaps meant, as it is called from the working directory."""
    specs = [name for name in files if name.endswith(".hvae")]
    named = [name for name in specs if PurePosixPath(name).stem == wanted.name.removesuffix(".hvae")]
    near = named[0] if named else nearest(str(wanted), specs)
    return "" if near is None else f"; did you mean {Path(os.path.relpath(top.resolve() / near)).as_posix()}?"


def _files(tree: str, top: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    """Hash and size of each spec in a tree, and of what marks a project's folder."""
    listing = _git("ls-tree", "-r", "-z", "--long", "--full-tree", tree, folder=top)
    for entry in filter(None, listing.split(b"\0")):
        facts, _, name = entry.partition(b"\t")
        mode, _, blob, size = facts.decode().split()  # of a submodule there is no size
        path = os.fsdecode(name)
        if mode in _REGULAR and (path.endswith(".hvae") or PurePosixPath(path).name == _ROOT_MARK):
            yield path, (blob, int(size))


def _write(folder: Path, files: Mapping[str, tuple[str, int]], top: Path) -> None:
    """Write the files of a revision; of one that is too large for a spec only the size counts."""
    read = {name: blob for name, (blob, size) in files.items() if size <= MAX_FILE_BYTES}
    texts = _blobs(set(read.values()), top)
    for name, (_, size) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            if path.name == _ROOT_MARK:
                continue
            if name in read:
                file.write(texts[read[name]])
            else:
                file.truncate(size)


def _blobs(hashes: Collection[str], top: Path) -> dict[str, bytes]:
    """The contents of blobs by their hashes. Each comes as `HASH blob SIZE`, so many bytes, and a line end."""
    answer = BytesIO(_git("cat-file", "--batch", folder=top, text="".join(f"{name}\n" for name in hashes).encode()))
    found: dict[str, bytes] = {}
    while header := answer.readline().split():
        found[header[0].decode()] = answer.read(int(header[2]))
        answer.readline()
    return found


def _git(*arguments: str, folder: Path | None = None, text: bytes = b"") -> bytes:
    """What git prints. Raises `UsageError` with what it said where it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, input=text, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("git:REV:PATH needs git, which is not on the search path") from None
    except OSError as error:
        raise UsageError(f"git could not be run: {error.strerror or error}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise UsageError(f"git {arguments[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout
