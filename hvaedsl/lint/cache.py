"""The lint cache: results for specs that have not changed.

The name of an entry is a digest of everything that determines its result: the text, the file name, the overrides, and
the code of the checks. An entry holds digests of the bases, which are found and read again each time, and the
diagnostics as data. Entries are JSON files that are written atomically; one that is unreadable or damaged is ignored.
They can be shared and deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.bases import Bases
from hvaedsl.home_folder import expanded
from hvaedsl.report.as_data import NotData, findings_data, findings_of
from hvaedsl.shipped import shipped
from hvaedsl.user_cache import user_cache
from hvaedsl.version import __version__

if TYPE_CHECKING:
    from hvaedsl.program import Compilation, Overrides
    from hvaedsl.syntax import ast

VARIABLE = "HVAEDSL_CACHE"  # another cache folder, or "off"
MAX_ENTRIES = 10_000
MAX_ENTRY_BYTES = 1 << 14  # larger results are not kept
# The folders whose code determines the diagnostics of a spec.
_CHECKING = ("custom", "diagnostics", "elaborate", "ir", "lint", "passes", "report", "rules", "syntax")


class LintResult(Record):
    """The result of linting one spec."""

    diagnostics: tuple[Diagnostic, ...]
    suppressed: tuple[Diagnostic, ...]  # advice that a comment on its line suppresses
    sources: tuple[Source, ...]  # the root base first, the spec itself last
    sound: bool  # without errors


def lint_result(compilation: Compilation) -> LintResult:
    """Return the lint result of a compilation."""
    sources = tuple(document.source for document in compilation.documents)
    return LintResult(compilation.diagnostics, compilation.suppressed, sources, compilation.program is not None)


class CacheKey(Record):
    """What determines the diagnostics of a spec, besides the texts of its bases and the code of the checks."""

    source: Source
    sets: Overrides
    lets: Overrides
    custom: bool  # custom parts may be imported

    @cached_property
    def name(self) -> str:
        """The name of the cache entry."""
        overrides = [[[key, str(value)] for key, value in given.items()] for given in (self.sets, self.lets)]
        return _digest(_checks_digest() + json.dumps([self.source.name, self.source.text, overrides, self.custom]))


class LintCache:
    """The cache entries in a folder; without a folder nothing is cached."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._may_have_entries = folder is not None and folder.is_dir()

    def recall(self, key: CacheKey, bases: Bases | None = None) -> LintResult | None:
        """Return the cached result for a spec and its present bases, which `bases` finds, or None."""
        if self._folder is None or not self._may_have_entries:
            return None

        path, bases = f"{self._folder}{os.sep}{key.name}", bases or Bases()
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - making a `Path` takes as long as reading
                digest, _, text = file.read().partition("\n")
            if digest != _digest(text):
                return None  # damaged
            entry = json.loads(text)
            chain = tuple(_present_chain(key.source, entry["chain"], bases))
            sources = (key.source, *chain)
            found, suppressed = (tuple(findings_of(entry[part], sources)) for part in ("found", "suppressed"))
            sound = bool(entry["sound"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None  # missing, of another format, or with changed bases

        with contextlib.suppress(OSError):
            os.utime(path)  # the least recently used entries are deleted first
        return LintResult(found, suppressed, sources[::-1], sound)

    def remember(self, key: CacheKey, compilation: Compilation) -> None:
        """Store a result, if it depends only on the key and the texts of the bases."""
        chain = _stored_chain(compilation)
        if self._folder is None or chain is None or _may_use_custom_parts(key, compilation):
            return

        sources = (key.source, *(base for _, base in chain))
        try:
            found, suppressed = (
                findings_data(part, sources) for part in (compilation.diagnostics, compilation.suppressed)
            )
        except NotData:
            return

        entry = {
            "chain": [[target, _digest(base.text)] for target, base in chain],
            "sound": compilation.program is not None,
            "found": found,
            "suppressed": suppressed,
        }
        text = json.dumps(entry, separators=(",", ":"))
        if len(text) <= MAX_ENTRY_BYTES:
            self._write(self._folder / key.name, f"{_digest(text)}\n{text}")

    def _write(self, path: Path, text: str) -> None:
        unfinished = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
        try:
            try:
                try:
                    unfinished.write_text(text, encoding="utf-8")
                except FileNotFoundError:  # the first entry
                    path.parent.mkdir(parents=True, exist_ok=True)
                    unfinished.write_text(text, encoding="utf-8")
                unfinished.replace(path)
            except BaseException:  # also an interruption
                unfinished.unlink(missing_ok=True)
                raise
            self._may_have_entries = True
        except OSError:  # a full disk or a read-only folder: continue without the cache
            self._folder = None

    def prune(self) -> None:
        """Delete the least recently used entries if there are too many."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            entries = list(os.scandir(self._folder))
            if len(entries) > MAX_ENTRIES:
                entries.sort(key=_last_used)
                for entry in entries[: len(entries) - MAX_ENTRIES * 9 // 10]:
                    Path(entry).unlink(missing_ok=True)


def lint_cache() -> LintCache:
    """Return the cache of this user, if there is one, or the one that `HVAEDSL_CACHE` sets; `off` disables it.

    Raises `UsageError` for a `~` without a home folder.
    """
    configured = os.environ.get(VARIABLE)
    if configured == "off":
        return LintCache(None)
    folder = expanded(configured, VARIABLE) if configured else user_cache()
    return LintCache(None if folder is None else folder / "lint")


def _may_use_custom_parts(key: CacheKey, compilation: Compilation) -> bool:
    """Whether custom parts may affect the result; the custom parts of a spec with errors are unknown."""
    from hvaedsl.ir.spec import custom_parts

    return key.custom and (compilation.program is None or bool(custom_parts(compilation.program.spec)))


def _last_used(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # deleted by another process
        return 0


def _stored_chain(compilation: Compilation) -> list[tuple[str, Source]] | None:
    """Return each base with its name in `extends`, the nearest first; None if one was not found."""
    *bases, child = compilation.documents
    chain = []
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


def _present_chain(source: Source, chain: list[list[str]], bases: Bases) -> Iterator[Source]:
    """Yield the present bases. Raises `ValueError` if one is missing or has changed."""
    child = source
    for target, digest in chain:
        base = bases.of(target, child)
        if base is None or _digest(base.text) != digest:
            raise ValueError(target)
        yield base
        child = base


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _checks_digest() -> str:
    """Return a digest of the code of the checks, which changes with every version and every edited rule."""
    package = Path(__file__).parents[1]
    files = [*package.glob("*.py"), *(file for layer in _CHECKING for file in (package / layer).rglob("*.py"))]
    files += shipped("grammars").glob("*.lark")
    digest = hashlib.sha256(f"{__version__} {platform.python_version()}".encode())
    for file in sorted(files):
        digest.update(f"\0{file.name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
