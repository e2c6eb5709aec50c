"""A spec of a revision, `git:REV:PATH`, read by git, with its bases from the same revision.

The specs of the revision are written to a temporary folder, so that bases are found as in a working tree; diagnostics
name their places as `git:REV:PATH`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hvaedsl.diagnostics.diagnostic import Diagnostic, nearest
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import indented
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.syntax.text import MAX_FILE_BYTES

PREFIX = "git:"
_REGULAR = ("100644", "100755")
_SUBMODULE = "160000"
# Variables that make git use another repository than that of the working directory, from which our paths are meant. Git
# itself sets them for hooks.
_ELSEWHERE = frozenset(
    f"GIT_{name}" for name in ("DIR", "WORK_TREE", "INDEX_FILE", "PREFIX", "COMMON_DIR", "OBJECT_DIRECTORY")
)
_ROOT_MARK = "pyproject.toml"  # marks the folder of a project; see elaborate/bases.py


@dataclass(frozen=True, slots=True)
class Revision:
    """The specs of a revision in a temporary folder."""

    revision: str
    folder: Path  # corresponds to the top of the repository
    path: Path  # the requested spec, in `folder`
    beside: Path  # the spec's folder in the working tree, from which modules are imported

    def named(self, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Return the diagnostics with their places as `git:REV:PATH`, PATH relative to the top of the repository."""
        known: dict[int, Source] = {}
        return tuple(self._named(item, known) for item in diagnostics)

    def _named(self, item: Diagnostic, known: dict[int, Source]) -> Diagnostic:
        secondary = tuple(replace(label, span=self._moved(label.span, known)) for label in item.secondary)
        return replace(item, span=self._moved(item.span, known), secondary=secondary)

    def _moved(self, span: Span, known: dict[int, Source]) -> Span:
        source = span.source
        if source.path is None or not source.path.is_relative_to(self.folder):
            return span
        # One source stays one object, because the places of a diagnostic are grouped by it.
        inside = source.path.relative_to(self.folder).as_posix()
        moved = known.setdefault(id(source), replace(source, name=f"{PREFIX}{self.revision}:{inside}"))
        return replace(span, source=moved)


@contextmanager
def checked_out(place: str) -> Iterator[Revision]:
    """Write the specs of a revision to a temporary folder; PATH of `git:REV:PATH` is relative to the working directory.

    In a bare repository, which has no working tree, PATH is relative to the top of the revision.
    Raises `UsageError` if there is no git, no repository, no such revision, or no such file in it, and `WriteError`.
    """
    revision, path = _parts(place)
    top = _top()
    tree = _tree(revision)
    spec = _inside(path, top, place)
    entries = list(_entries(tree, top))
    files = dict(_files(entries))
    if str(spec) not in files:
        _raise_if_in_submodule(spec, entries, place)
        raise UsageError(f"{place}: {spec} is not a file of {revision}{_did_you_mean(spec, files, top)}")

    with TemporaryDirectory(prefix="hvaedsl-") as temporary:
        # It has the name of the repository, which diagnostics about bases outside of it contain.
        folder = Path(temporary).resolve() / (top.name or "repository")
        with refusals_explained("a temporary folder", "set the environment variable TMPDIR to a writable folder"):
            (folder / ".git").mkdir(parents=True)
            _write(folder, files, top)
        yield Revision(revision, folder, folder / spec, top / spec.parent)


def _top() -> Path:
    """The folder that corresponds to the top of the repository: that of the working tree, if there is one."""
    if _git("rev-parse", "--is-bare-repository").strip() == b"true":
        return Path.cwd()
    return Path(os.fsdecode(_git("rev-parse", "--show-toplevel")).rstrip("\n"))


def _parts(place: str) -> tuple[str, str]:
    """Split into revision and path at the last colon, because a date such as `main@{10:00}` contains others."""
    revision, colon, path = place.removeprefix(PREFIX).rpartition(":")
    if not (revision and colon and path):
        raise UsageError(f"`{place}` is not git:REV:PATH; write, for example, git:HEAD:specs/cifar.hvae")
    return revision, path


def _tree(revision: str) -> str:
    """Return the hash of the tree. A name that git could read as an option is refused."""
    hint = "`git log` lists the revisions; fetch one that is only on a server (git fetch)"
    if revision.startswith("-") or "\0" in revision:
        raise UsageError(f"no revision `{revision}`: {hint}")
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}").decode().strip()
    except UsageError:
        if _git("rev-parse", "--is-shallow-repository").strip() == b"true":
            hint = "this clone is shallow; `git fetch --unshallow` fetches the rest"
        raise UsageError(f"no revision `{revision}` in this repository: {hint}") from None


def _inside(path: str, top: Path, place: str) -> PurePosixPath:
    """Return the path relative to the top of the repository, without following symbolic links in the working tree."""
    below = os.path.relpath(Path.cwd() / path, top.resolve())
    if below == os.pardir or below.startswith(os.pardir + os.sep):
        raise UsageError(f"{place}: {path} is outside of the repository {top}")
    return PurePosixPath(Path(below).as_posix())


def _did_you_mean(spec: PurePosixPath, files: Collection[str], top: Path) -> str:
    """Suggest a similar file of the revision, relative to the working directory."""
    specs = [name for name in files if name.endswith(".hvae")]
    named = [name for name in specs if PurePosixPath(name).stem == spec.name.removesuffix(".hvae")]
    near = named[0] if named else nearest(str(spec), specs, most=len(specs))
    return "" if near is None else f"; did you mean {Path(os.path.relpath(top.resolve() / near)).as_posix()}?"


class _Entry(NamedTuple):
    """An entry of a tree of git; a submodule has no size."""

    path: str
    mode: str
    blob: str
    size: str


def _entries(tree: str, top: Path) -> Iterator[_Entry]:
    listing = _git("ls-tree", "-r", "-z", "--long", "--full-tree", tree, folder=top)
    for entry in filter(None, listing.split(b"\0")):
        facts, _, name = entry.partition(b"\t")
        mode, _, blob, size = facts.decode().split()
        yield _Entry(os.fsdecode(name), mode, blob, size)


def _files(entries: Iterable[_Entry]) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield the hash and size of each spec in a tree and of each file that marks a project."""
    for path, mode, blob, size in entries:
        if mode in _REGULAR and (path.endswith(".hvae") or PurePosixPath(path).name == _ROOT_MARK):
            yield path, (blob, int(size))


def _raise_if_in_submodule(spec: PurePosixPath, entries: Iterable[_Entry], place: str) -> None:
    """Raise `UsageError` if a path is that of a submodule, or inside one; its files are in a repository of its own."""
    for path, mode, commit, _ in entries:
        if mode == _SUBMODULE and spec.is_relative_to(path):
            inside = spec.relative_to(path) if spec != PurePosixPath(path) else "PATH"
            raise UsageError(
                f"{place}: {path} is a submodule, whose files are in a repository of its own",
                help=f"in the folder {path}, write {PREFIX}{commit[:12]}:{inside}",
            )


def _write(folder: Path, files: Mapping[str, tuple[str, int]], top: Path) -> None:
    """Write the files of a revision; one that is too large for a spec gets its size without its content."""
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
    """Return the contents of blobs by hash. git prints each as `HASH blob SIZE`, that many bytes, and a line end."""
    answer = BytesIO(_git("cat-file", "--batch", folder=top, text="".join(f"{name}\n" for name in hashes).encode()))
    found: dict[str, bytes] = {}
    while header := answer.readline().split():
        found[header[0].decode()] = answer.read(int(header[2]))
        answer.readline()
    return found


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}


def _git(*arguments: str, folder: Path | None = None, text: bytes = b"") -> bytes:
    """Return the output of git. Raises `UsageError` with its message if it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, input=text, capture_output=True, check=False, env=_environment()
        )
    except FileNotFoundError:
        raise UsageError("git:REV:PATH needs git, which is not on the search path") from None
    except OSError as error:
        raise UsageError(f"git could not be run: {error.strerror or error}") from None
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise UsageError(f"git {arguments[0]}: {indented(message) or f'exit code {done.returncode}'}")
    return done.stdout
