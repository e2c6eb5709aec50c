"""What the linted files hold: as they were read, and as fixes leave them until they are written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.rewriting import diff_of, write_over
from hvaedsl.shipped import shipped
from hvaedsl.syntax.text import MAX_FILE_BYTES, decode, read_bytes, read_source, refuse_large, source_of

STDIN = "<stdin>"
_BOM = b"\xef\xbb\xbf"


class Texts(Record):
    """Specs by where they lie, in the order that they were asked for, and why others could not be read."""

    sources: Mapping[Path, Source]
    unreadable: tuple[Diagnostic, ...] = ()
    given: bytes | None = None  # of standard input, what was read
    _before: Mapping[Path, Source] = field(default_factory=dict)

    def read(self, path: Path, shown: str) -> Source:
        """The text of a base: the one that is linted with it, else the file's. Raises as `read_source` does."""
        source = self.sources.get(path.resolve()) if self.given is None else None
        return read_source(path, shown) if source is None else Source(shown, source.text, path)

    def may_change(self, source: Source) -> bool:
        """Whether a text is that of a linted file, and not one that was found by the name of a shipped spec."""
        place = place_of(source)
        if self.given is not None:
            return source is next(iter(self.sources.values()))
        if place not in self.sources or self.sources[place].text != source.text:
            return False
        installed = Path(__file__).resolve().parents[1] / "specs"
        named = Path(self.sources[place].name)
        return not place.is_relative_to(installed) and (place != _shipped(named) or named.exists())

    def edited(self, fixes: Sequence[Fix]) -> tuple[Texts, int]:
        """With as many of the fixes as do not touch each other, each whole or not at all, and how many they are."""
        taken: dict[Path, list[Edit]] = {}
        count = 0
        for fix in sorted(fixes, key=lambda item: item.edits[0].span.start):
            edits = taken.setdefault(place_of(fix.edits[0].span.source), [])
            if not any(_touch(one, other) for one in fix.edits for other in edits):
                edits.extend(fix.edits)
                count += 1
        changed = {place: _apply(self.sources[place], edits) for place, edits in taken.items()}
        return replace(self, sources={**self.sources, **changed}, _before=self._before or self.sources), count

    def changed(self) -> Iterator[tuple[str, bytes, bytes]]:
        """The files that differ from what was read: name, before and after. Raises `UsageError` as `write` does."""
        for place, source in self.sources.items():
            before = self._before.get(place, source)
            if before.text != source.text:
                held = read_bytes(place, source.name) if self.given is None else self.given
                if decode(held, source.name).text != before.text:
                    raise UsageError(f"{source.name}: somebody else has written it meanwhile; it is left as it is")
                after = _BOM * held.startswith(_BOM) + source.text.encode()
                if len(after) > MAX_FILE_BYTES:
                    raise UsageError(f"{source.name}: mended it would be too large; it is left as it is")
                yield source.name, held, after

    def diff(self) -> str:
        """What `write` would change."""
        return "".join(diff_of(name, before, after, "mended") for name, before, after in self.changed())

    def output(self) -> bytes:
        """Standard input as fixes leave it; as it was given where it could not be read."""
        assert self.given is not None
        return next((after for _, _, after in self.changed()), self.given)

    def write(self) -> None:
        """Write every changed file whole. Raises `UsageError` for one that cannot be written."""
        for name, before, after in self.changed():
            write_over(name, before, after)


def texts_of(names: Iterable[str]) -> Texts:
    """The texts of files, each once, under whatever names it is given. Raises `UsageError` for one that is missing."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(os.path.realpath(name), name)
    sources: dict[Path, Source] = {}
    unreadable: list[Diagnostic] = []
    for name in first.values():
        try:
            source = source_of(name)
            sources[place_of(source)] = source
        except SpecError as error:
            unreadable.extend(error.diagnostics)
    return Texts(sources, tuple(unreadable))


def text_of_stdin(data: bytes, filename: str | None) -> Texts:
    """Standard input, as if it stood in a file of that name, which need not exist."""
    name = filename or STDIN
    path = Path(filename) if filename else None
    try:
        refuse_large(len(data), name, path)
        source = decode(data, name, path)
    except SpecError as error:
        return Texts({}, error.diagnostics, data)
    return Texts({place_of(source): source}, given=data)


def place_of(source: Source) -> Path:
    """Where a text lies, links followed; its name where it is no file's."""
    return Path(source.name) if source.path is None else source.path.resolve()


class Places:
    """Where texts lie, each looked up once: for findings, which are many, in texts, which are few."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Source, Path]] = {}  # with the source, so that its id stays its own

    def __getitem__(self, source: Source) -> Path:
        """Where a text lies, as `place_of` has it."""
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
    text = source.text
    for edit in sorted(edits, key=lambda item: item.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return Source(source.name, text, source.path)
