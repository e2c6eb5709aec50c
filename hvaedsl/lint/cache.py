"""What linting found, kept for specs that have not changed since.

An entry is named by what decides about it: the text, what the file is called, the overrides, and the code that judges.
It holds the chain of bases as they were, which are looked for and read anew each time, and what was found as data: the
code of each diagnostic and its fields, from which the diagnostic itself is made again. Entries are JSON, written whole;
one that cannot be read, or says something else than it should, counts as none. They may be shared and deleted at will.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.bases import base_of
from hvaedsl.report.as_data import NotData, findings_data, findings_of
from hvaedsl.shipped import shipped
from hvaedsl.version import __version__

if TYPE_CHECKING:
    from hvaedsl.program import Compilation, Overrides
    from hvaedsl.syntax import ast

VARIABLE = "HVAEDSL_CACHE"  # another folder than the user's cache; "off" for none
MAX_ENTRIES = 10_000
MAX_ENTRY_BYTES = 1 << 14  # a spec with more to be said about it is compiled again
# What decides about the findings of a spec; the rest of the package lowers, draws, prints and trains.
_JUDGES = ("custom", "diagnostics", "elaborate", "ir", "passes", "rules", "syntax")


class Judged(Record):
    """What is known of a spec once it has been linted."""

    diagnostics: tuple[Diagnostic, ...]
    silenced: tuple[Diagnostic, ...]  # advice that a comment on its line silences
    sources: tuple[Source, ...]  # the root base first, the spec itself last
    sound: bool  # without errors


def judged(compilation: Compilation) -> Judged:
    """What linting wants to know of a compilation."""
    sources = tuple(document.source for document in compilation.documents)
    return Judged(compilation.diagnostics, compilation.silenced, sources, compilation.program is not None)


class Question(Record):
    """What decides about the findings of a spec, beside the texts of its bases and the code that judges."""

    source: Source
    sets: Overrides
    lets: Overrides
    custom: bool  # one's own parts may be imported

    def name(self) -> str:
        """The name of the entry that answers it."""
        overrides = [[[key, str(value)] for key, value in given.items()] for given in (self.sets, self.lets)]
        return _digest(_judge() + json.dumps([self.source.name, self.source.text, overrides, self.custom]))


class LintCache:
    """The entries in a folder; without a folder nothing is remembered."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._written = False

    def recall(self, question: Question) -> Judged | None:
        """What was found in this very spec with these very bases; None where that is not known."""
        if self._folder is None:
            return None
        path = self._folder / question.name()
        try:
            digest, _, text = path.read_text(encoding="utf-8").partition("\n")
            if digest != _digest(text):
                return None  # damaged
            entry = json.loads(text)
            chain = tuple(_chain_now(question.source, entry["chain"]))
            places = (question.source, *chain)
            found, silenced = (tuple(findings_of(entry[part], places)) for part in ("found", "silenced"))
            sound = bool(entry["sound"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None  # not there, another's, or of bases that have changed
        with contextlib.suppress(OSError):
            os.utime(path)  # what is asked for is kept longest
        return Judged(found, silenced, places[::-1], sound)

    def remember(self, question: Question, compilation: Compilation) -> None:
        """Keep what was found, where it depends on nothing but the question and the chain of texts."""
        chain = _chain_then(compilation)
        if self._folder is None or chain is None or _asks_parts(question, compilation):
            return
        places = (question.source, *(base for _, base in chain))
        try:
            found, silenced = (findings_data(part, places) for part in (compilation.diagnostics, compilation.silenced))
        except NotData:
            return
        entry = {
            "chain": [[target, _digest(base.text)] for target, base in chain],
            "sound": compilation.program is not None,
            "found": found,
            "silenced": silenced,
        }
        text = json.dumps(entry, separators=(",", ":"))
        if len(text) <= MAX_ENTRY_BYTES:
            self._write(self._folder / question.name(), f"{_digest(text)}\n{text}")

    def _write(self, path: Path, text: str) -> None:
        unfinished = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                unfinished.write_text(text, encoding="utf-8")
                unfinished.replace(path)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError:  # a full disk, a folder of somebody else's: linting goes on without
            self._folder = None
        self._written = True

    def prune(self) -> None:
        """Take out what was not asked for the longest, where there are too many entries."""
        if self._folder is None or not self._written:
            return
        with contextlib.suppress(OSError):
            entries = list(os.scandir(self._folder))
            if len(entries) > MAX_ENTRIES:
                entries.sort(key=_last_used)
                for entry in entries[: len(entries) - MAX_ENTRIES * 9 // 10]:
                    Path(entry).unlink(missing_ok=True)


def lint_cache() -> LintCache:
    """The cache of this user, or where `HVAEDSL_CACHE` says; `off` for none."""
    said = os.environ.get(VARIABLE)
    if said == "off":
        return LintCache(None)
    return LintCache((Path(said) if said else user_cache_path("hvaedsl")) / "lint")


def _asks_parts(question: Question, compilation: Compilation) -> bool:
    """Whether modules of one's own may have had a say: those of a spec with errors are not known."""
    from hvaedsl.ir.spec import custom_parts

    return question.custom and (compilation.program is None or bool(custom_parts(compilation.program.spec)))


def _last_used(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # taken out by another process
        return 0


def _chain_then(compilation: Compilation) -> list[tuple[str, Source]] | None:
    """Each base with the name that its child calls it by, the nearest first; None where one was not found."""
    *bases, own = compilation.documents
    chain = []
    child = own
    for base in reversed(bases):
        target = _target(child)
        if target is None:
            return None
        chain.append((target, base.source))
        child = base
    return chain if _target(child) is None else None


def _target(document: ast.Document) -> str | None:
    from hvaedsl.syntax import ast

    return next((item.target.value for item in document.statements if isinstance(item, ast.Extends)), None)


def _chain_now(source: Source, chain: list[list[str]]) -> Iterator[Source]:
    """The bases as they are now. Raises `ValueError` where one is missing or another text than it was."""
    child = source
    for target, digest in chain:
        base = base_of(target, child)
        if base is None or _digest(base.text) != digest:
            raise ValueError(target)
        yield base
        child = base


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _judge() -> str:
    """The code that judges, as one digest: another version, or a rule that is being written, is another judge."""
    package = Path(__file__).parents[1]
    files = [*package.glob("*.py"), *(file for layer in _JUDGES for file in (package / layer).rglob("*.py"))]
    files += shipped("grammars").glob("*.lark")
    digest = hashlib.sha256(f"{__version__} {platform.python_version()}".encode())
    for file in sorted(files):
        digest.update(f"\0{file.name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
