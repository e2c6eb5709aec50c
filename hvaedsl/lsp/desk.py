"""The texts that are open in the editor, and what is known of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from lsprotocol.types import PositionEncodingKind
from pygls.uris import from_fs_path, to_fs_path

from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.bases import find_base, project_root
from hvaedsl.elaborate.inheritance import Read, load_chain
from hvaedsl.lint.spec_files import spec_files
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.rename import Chains
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast
from hvaedsl.syntax.text import read_source


class Desk:
    """What is open, by URI. A base that is open is read from its buffer, saved or not.

    What is known of a text is replaced, and never changed in place, when the text changes, or one that it extends does.
    """

    def __init__(self) -> None:
        self.encoding = PositionEncodingKind.Utf16
        self._open: dict[str, Analysed] = {}
        self._files: dict[str, Analysed] = {}  # that are not open, and were asked for
        self._buffers: Mapping[Path, str] = {}  # the open texts of files; other threads read it

    def put(self, uri: str, text: str, version: int | None = None) -> list[str]:
        """A text has been opened or changed; the other open ones that it bears on."""
        path = path_of(uri)
        if path is not None:
            self._buffers = {**self._buffers, path: text}
        source = Source(path.name if path is not None else name_of(uri), text, path)
        self._open[uri] = self._new(uri, source, version, self._open.get(uri))
        return self._renew_around(uri, path)

    def close(self, uri: str) -> list[str]:
        """A text is open no longer, and its file counts again; the open ones that it bore on."""
        closed = self._open.pop(uri, None)
        if closed is None:
            return []
        places = ((found.source.path, found.text) for found in self._open.values())  # one file may be open twice
        self._buffers = {path: text for path, text in places if path is not None}
        return self._renew_around(uri, closed.source.path)

    def files_changed(self) -> list[str]:
        """Something on disk has changed; the open texts whose bases have."""
        self._files.clear()
        around = [uri for uri, found in self._open.items() if not _has_its_bases(found, self._read)]
        for uri in around:
            self._renew(uri)
        return around

    @property
    def uris(self) -> list[str]:
        """The open texts."""
        return list(self._open)

    def known(self, uri: str) -> Analysed | None:
        """What is known of an open text, or of a file; None where there is neither."""
        found = self._open.get(uri) or self._files.get(uri)
        path = path_of(uri) if found is None else None
        if path is None:
            return found
        try:
            self._files[uri] = self._new(uri, read_source(path, path.name), None)
        except (SpecError, UsageError):
            return None
        return self._files[uri]

    def take(self, before: Analysed, made: Analysed) -> None:
        """A text has been compiled. That is dropped where the text, or one that it extends, has changed meanwhile."""
        for known in (self._open, self._files):
            if known.get(before.uri) is before:
                known[before.uri] = made

    def uri_of(self, source: Source) -> str | None:
        """The URI of a source, as the client spells it where it is open; None of one that is no file."""
        if source.path is None:
            return next((uri for uri, found in self._open.items() if found.source is source), None)
        path = source.path.resolve()
        opened = (uri for uri, found in self._open.items() if found.source.path == path)
        return next(opened, None) or from_fs_path(str(path))

    def version(self, uri: str) -> int | None:
        """The version of an open text; None of one that is not."""
        return self._open[uri].version if uri in self._open else None

    def chains(self, found: Analysed) -> Chains:
        """Finds the chains of the other texts that write a name: those open, and the specs of the project."""
        return partial(_chains, found, self._buffers)

    def writable(self, source: Source) -> bool:
        """Whether a source is the user's: open, or a file that may be written and was not shipped with hvaedsl."""
        if source.path is None:
            return True
        path = source.path.resolve()
        is_shipped = path.is_relative_to(shipped("specs").resolve())
        return path in self._buffers or (os.access(path, os.W_OK) and not is_shipped)

    @property
    def _read(self) -> Read:
        """What reads a base: its buffer of this moment where it is open."""
        return partial(_read, self._buffers)

    def _new(self, uri: str, source: Source, version: int | None, old: Analysed | None = None) -> Analysed:
        """A text of which nothing is known yet but the last good program of an earlier one."""
        before = old.last_good if old is not None else None
        return Analysed(source, Lines(source.text, self.encoding), self._read, before, uri=uri, version=version)

    def _renew(self, uri: str) -> None:
        """Forget what is known of an open text."""
        old = self._open[uri]
        self._open[uri] = self._new(uri, old.source, old.version, old)

    def _renew_around(self, uri: str, path: Path | None) -> list[str]:
        """After a change of one text: forget what is known of the others that extend it."""
        self._files.clear()
        around = [other for other, found in self._open.items() if other != uri and _may_extend(found, path)]
        for other in around:
            self._renew(other)
        return around


def _read(buffers: Mapping[Path, str], path: Path, name: str) -> Source:
    """The text of a file: its buffer's where it is open. Raises as `read_source` does."""
    text = buffers.get(path.resolve())
    return read_source(path, name) if text is None else Source(name, text, path)


def _chains(found: Analysed, buffers: Mapping[Path, str], name: str) -> Iterator[tuple[Source, ...]]:
    read = partial(_read, buffers)
    for path in sorted({*_project_specs(found), *buffers} - {found.source.path}):
        try:
            source = read(path, path.name)
            if re.search(rf"\b{name}\b", source.text, re.ASCII):
                yield tuple(document.source for document in load_chain(source, read).documents)
        except (SpecError, UsageError):
            continue  # a file that cannot be read holds no name


def _project_specs(found: Analysed) -> Iterator[Path]:
    """The specs that may extend a text or a base of it: no `extends` leads out of a project."""
    for folder in {path.parent for path in _paths(found)}:
        try:
            yield from (Path(name).resolve() for name in spec_files(str(project_root(folder))))
        except UsageError:  # none, or .gitignore leaves this folder out
            yield from folder.glob("*.hvae")


def _paths(found: Analysed) -> set[Path]:
    """The files of a chain."""
    sources = (document.source for document in found.documents)
    return {source.path.resolve() for source in sources if source.path is not None}


def _may_extend(found: Analysed, path: Path | None) -> bool:
    """Whether the chain of a text holds a file, or might once it can be read."""
    return path is not None and (not found.is_whole or path in _paths(found))


def _has_its_bases(found: Analysed, read: Read) -> bool:
    """Whether what a text extends is still as it was read."""
    if not found.is_whole:
        return False
    for base, child in pairwise(found.documents):
        extends = next(item for item in child.statements if isinstance(item, ast.Extends))
        try:
            now = read(find_base(extends.target.value, child.source.path, extends.target.span), base.source.name)
        except (SpecError, UsageError, OSError, RuntimeError, ValueError):
            return False
        if (now.path, now.text) != (base.source.path, base.source.text):
            return False
    return True


def path_of(uri: str) -> Path | None:
    """The file of a URI; None of a text that has none yet, and of what is no name of a file."""
    try:
        if urlsplit(uri).scheme != "file":
            return None
        found = to_fs_path(uri.replace(";", "%3B"))  # it would take a semicolon for the end of the path
        return Path(found).resolve() if found else None
    except (OSError, RuntimeError, ValueError):  # a NUL in it, a loop of links, or no URI at all
        return None


def name_of(uri: str) -> str:
    """What a text without a file is called."""
    return PurePath(unquote(uri.partition(":")[2].partition("?")[0])).name or "<untitled>"
