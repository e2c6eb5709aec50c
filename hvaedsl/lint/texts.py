"""The texts of the linted files, as read and as changed by fixes before they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, edited
from hvaedsl.diagnostics.errors import SpecError, UsageError, WriteError
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.refusals import raise_not_written
from hvaedsl.diagnostics.span import Source
from hvaedsl.rewriting import diff_of, write_over
from hvaedsl.shipped import shipped
from hvaedsl.syntax.text import (
    MAX_FILE_BYTES,
    STDIN,
    RealPaths,
    decode,
    read_bytes,
    read_source,
    real_path,
    refuse_large,
    source_of,
)

_BOM = b"\xef\xbb\xbf"


class Texts(Record):
    """Texts of specs by path, in the order of the command line, and the errors of unreadable ones."""

    sources: Mapping[Path, Source]
    unreadable: tuple[Diagnostic, ...] = ()
    refused: tuple[str, ...] = ()  # why other files and folders could not be read
    given: bytes | None = None  # the bytes of standard input
    outside: tuple[str, ...] = ()  # links to files that are not to be changed; see `SpecFiles`
    _before: Mapping[Path, Source] = field(default_factory=dict)

    def read(self, path: Path, shown: str) -> Source:
        """Read a base, from the linted texts if it is one of them. Raises the errors of `read_source`."""
        source = self.sources.get(path.resolve()) if self.given is None else None
        return read_source(path, shown) if source is None else Source(shown, source.text, path)

    def may_change(self, source: Source) -> bool:
        """Whether a text may be fixed: it is a linted file, and not a spec that is installed with hvaedsl."""
        place = place_of(source)
        if self.given is not None:
            return source is next(iter(self.sources.values()))
        if place not in self.sources or self.sources[place].text != source.text:
            return False
        if any(real_path(Path(name)) == place for name in self.outside):
            return False
        installed = Path(__file__).resolve().parents[1] / "specs"
        named = Path(self.sources[place].name)
        return not place.is_relative_to(installed) and (place != _shipped(named) or named.exists())

    def edited(self, fixes: Sequence[Fix]) -> tuple[Texts, int]:
        """Apply fixes that do not touch each other, each completely or not at all; return the texts and the number."""
        taken: dict[Path, list[Edit]] = {}
        count = 0
        for fix in sorted(fixes, key=lambda item: item.edits[0].span.start):
            edits = taken.setdefault(place_of(fix.edits[0].span.source), [])
            if not any(_touch(one, other) for one in fix.edits for other in edits):
                edits.extend(fix.edits)
                count += 1
        changed = {place: _apply(self.sources[place], edits) for place, edits in taken.items()}
        return replace(self, sources={**self.sources, **changed}, _before=self._before or self.sources), count

    def _changed(self) -> Iterator[Path]:
        for place, source in self.sources.items():
            if self._before.get(place, source).text != source.text:
                yield place

    def _change(self, place: Path) -> tuple[str, bytes, bytes]:
        """Return name, old and new bytes of a changed file. Raises `UsageError` if it has changed since it was read."""
        source = self.sources[place]
        held = read_bytes(place, source.name) if self.given is None else self.given
        if decode(held, source.name).text != self._before[place].text:
            raise UsageError(f"{source.name}: changed by another program in the meantime; it was not fixed")
        after = _BOM * held.startswith(_BOM) + source.text.encode()
        if len(after) > MAX_FILE_BYTES:
            raise UsageError(f"{source.name}: the fixed file would be too large; it was not fixed")
        return source.name, held, after

    def diff(self) -> str:
        """Return the changes that `write` would make, as a unified diff. Raises `UsageError` as `write` does."""
        changes = map(self._change, self._changed())
        return "".join(diff_of(name, before, after, "fixed") for name, before, after in changes)

    def output(self) -> bytes:
        """Return the fixed standard input, or the original bytes if they could not be read."""
        assert self.given is not None
        return next((after for _, _, after in map(self._change, self._changed())), self.given)

    def write(self) -> None:
        """Write the changed files atomically. Raises as `write_over` does, after the others have been written."""
        failures: list[UsageError | WriteError] = []
        for place in self._changed():
            try:
                write_over(*self._change(place))
            except (UsageError, WriteError) as error:
                failures.append(error)
        raise_not_written(failures)


def texts_of(names: Iterable[str], refused: Iterable[str] = (), outside: Iterable[str] = ()) -> Texts:
    """Read the texts of files, each once even under several names; fixes do not change those `outside`.

    Files that are missing or cannot be read are in `refused` of the result, after those given.
    """
    real = RealPaths()
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(real.of(name), name)
    sources: dict[Path, Source] = {}
    unreadable: list[Diagnostic] = []
    refusals = list(refused)
    for name in first.values():
        try:
            source = source_of(name)
            sources[Path(source.name) if source.path is None else Path(real.of(source.path))] = source
        except SpecError as error:
            unreadable.extend(error.diagnostics)
        except UsageError as error:
            refusals.append(error.report)
    return Texts(sources, tuple(unreadable), tuple(refusals), outside=tuple(outside))


def text_of_stdin(data: bytes, filename: str | None) -> Texts:
    """Read standard input as a file of the given name, which need not exist."""
    name = filename or STDIN
    path = Path(filename) if filename else None
    try:
        refuse_large(len(data), name, path)
        source = decode(data, name, path)
    except SpecError as error:
        return Texts({}, error.diagnostics, given=data)
    return Texts({place_of(source): source}, given=data)


def place_of(source: Source) -> Path:
    """Return the resolved path of a text, or its name if it is not a file."""
    return Path(source.name) if source.path is None else real_path(source.path)


class Places:
    """Paths of texts, each resolved once: there are many diagnostics and few texts. Those of `known` are given."""

    def __init__(self, known: Mapping[Path, Source]) -> None:
        # Each source is kept so that its id is not reused.
        self._known = {id(source): (source, place) for place, source in known.items()}

    def __getitem__(self, source: Source) -> Path:
        """Return the path of a text, as `place_of` does."""
        known = self._known.get(id(source))
        if known is None:
            known = self._known[id(source)] = source, place_of(source)
        return known[1]


def _shipped(named: Path) -> Path:
    below = named.relative_to("specs") if named.is_relative_to("specs") else named
    return (shipped("specs").resolve() / below).with_suffix(".hvae") if below.name else shipped("specs")


def _touch(one: Edit, other: Edit) -> bool:
    return one.span.start <= other.span.end and other.span.start <= one.span.end


def _apply(source: Source, edits: Iterable[Edit]) -> Source:
    return Source(source.name, edited(source.text, edits), source.path)
