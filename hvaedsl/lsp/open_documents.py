"""The documents that are open in the editor, with the results of the compiler for each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.family import Chains
from hvaedsl.lsp.position import Lines
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast
from hvaedsl.syntax.text import read_source, real_path


class OpenDocuments:
    """The open documents by URI. A base that is open is read from its buffer, saved or not.

    If a document or one of its bases changes, its `AnalyzedText` is replaced, never changed in place.
    """

    def __init__(self) -> None:
        self.encoding = PositionEncodingKind.Utf16
        self._open: dict[str, AnalyzedText] = {}
        self._files: dict[str, AnalyzedText] = {}  # requested, but not open
        self._buffers: Mapping[Path, str] = {}  # of open files; read by other threads, so replaced as a whole

    def put(self, uri: str, text: str, version: int | None = None) -> list[str]:
        """Open or change a document, and return the other open ones that may depend on it."""
        path = path_of(uri)
        if path is not None:
            self._buffers = {**self._buffers, path: text}
        source = Source(path.name if path is not None else name_of(uri), text, path)
        self._open[uri] = self._new(uri, source, version, self._open.get(uri))
        return self._renew_around(uri, path)

    def close(self, uri: str) -> list[str]:
        """Close a document, so that its file is used again; return the open ones that may depend on it."""
        closed = self._open.pop(uri, None)
        if closed is None:
            return []
        places = ((found.source.path, found.text) for found in self._open.values())  # a file may be open twice
        self._buffers = {path: text for path, text in places if path is not None}
        return self._renew_around(uri, closed.source.path)

    def files_changed(self) -> list[str]:
        """Reset after a change on disk, and return the open documents whose bases have changed."""
        self._files.clear()
        around = [uri for uri, found in self._open.items() if not _has_its_bases(found, self._read)]
        for uri in around:
            self._renew(uri)
        return around

    @property
    def uris(self) -> list[str]:
        """URIs of the open documents."""
        return list(self._open)

    def known(self, uri: str) -> AnalyzedText | None:
        """The text of an open document or of a file; None if there is neither."""
        found = self._open.get(uri) or self._files.get(uri)
        path = path_of(uri) if found is None else None
        if path is None:
            return found
        if (opened := next((item for item in self._open.values() if item.source.path == path), None)) is not None:
            return opened  # under another URI of the same file
        try:
            self._files[uri] = self._new(uri, read_source(path, path.name), None)
        except (SpecError, UsageError):
            return None
        return self._files[uri]

    def replace(self, before: AnalyzedText, compiled: AnalyzedText) -> None:
        """Store a compiled text, unless the document or one of its bases has changed since it was `before`."""
        for known in (self._open, self._files):
            if known.get(before.uri) is before:
                known[before.uri] = compiled

    def has(self, found: AnalyzedText) -> bool:
        """Whether a text is that of a document, and its bases are those of now; for any thread."""
        return self._open.get(found.uri) is found or self._files.get(found.uri) is found

    def uri_of(self, source: Source) -> str | None:
        """The URI of a source, as the client spells it if it is open; None if it is not a file."""
        if source.path is None:
            return next((uri for uri, found in self._open.items() if found.source is source), None)
        path = source.path.resolve()
        opened = (uri for uri, found in self._open.items() if found.source.path == path)
        return next(opened, None) or from_fs_path(str(path))

    def version(self, uri: str) -> int | None:
        """The version of a document; None if it is not open."""
        return self._open[uri].version if uri in self._open else None

    def project_sources(self, folders: Iterable[Path]) -> Iterator[tuple[str, Source]]:
        """The specs in some folders, with the open ones, each with its URI; read one by one, by any thread."""
        opened = [(uri, found.source) for uri, found in self._open.items()]
        return _project_sources(opened, tuple(folders), self._read)

    def chains(self, found: AnalyzedText) -> Chains:
        """Return a function that finds the chains of other texts with a name, open or in the project."""
        return partial(_chains, found, self._buffers)

    def writable(self, found: AnalyzedText, source: Source) -> bool:
        """Whether a source may be changed together with a text: it is open, or a file that can be written.

        A shipped spec is changed only from another shipped spec, which is the case for who maintains them.
        """
        if source.path is None:
            return True
        path = source.path.resolve()
        if _is_shipped(source) and not _is_shipped(found.source):
            return False
        return path in self._buffers or os.access(path, os.W_OK)

    @property
    def _read(self) -> Read:
        """A function that reads a base, from the present buffer if it is open."""
        return partial(_read, self._buffers)

    def _new(self, uri: str, source: Source, version: int | None, old: AnalyzedText | None = None) -> AnalyzedText:
        """A text that is not compiled yet, with the last good program of its earlier version."""
        before = old.last_good if old is not None else None
        return AnalyzedText(source, Lines(source.text, self.encoding), self._read, before, uri=uri, version=version)

    def _renew(self, uri: str) -> None:
        """Reset an open document to a text that is not compiled yet."""
        old = self._open[uri]
        self._open[uri] = self._new(uri, old.source, old.version, old)

    def _renew_around(self, uri: str, path: Path | None) -> list[str]:
        """Reset the other open documents that may extend a changed one, and return their URIs."""
        self._files.clear()
        around = [other for other, found in self._open.items() if other != uri and _may_extend(found, path)]
        for other in around:
            self._renew(other)
        return around


def _is_shipped(source: Source) -> bool:
    return source.path is not None and source.path.resolve().is_relative_to(shipped("specs").resolve())


def _read(buffers: Mapping[Path, str], path: Path, name: str) -> Source:
    """Read a file, from its buffer if it is open. Raises the errors of `read_source`."""
    text = buffers.get(path.resolve())
    return read_source(path, name) if text is None else Source(name, text, path)


def _chains(found: AnalyzedText, buffers: Mapping[Path, str], name: str) -> Iterator[tuple[Source, ...]]:
    read = partial(_read, buffers)
    for path in sorted({*_project_specs(found), *buffers} - {found.source.path}):
        try:
            source = read(path, path.name)
            if re.search(rf"\b{name}\b", source.text, re.ASCII):
                yield tuple(document.source for document in load_chain(source, read).documents)
        except (SpecError, UsageError):
            continue  # an unreadable file contains no name


def _project_specs(found: AnalyzedText) -> Iterator[Path]:
    """Specs that may extend a text or one of its bases; `extends` does not leave the project."""
    for folder in {path.parent for path in _paths(found)}:
        files = spec_files(str(project_root(folder))).files
        yield from map(real_path, map(Path, files)) if files else folder.glob("*.hvae")  # .gitignore ignores the folder


def _project_sources(
    opened: Sequence[tuple[str, Source]], folders: Sequence[Path], read: Read
) -> Iterator[tuple[str, Source]]:
    yield from opened
    seen = {source.path for _, source in opened}
    for path in dict.fromkeys(real_path(Path(file)) for folder in folders for file in spec_files(str(folder)).files):
        if path in seen:
            continue
        try:
            yield from_fs_path(str(path)) or "", read(path, path.name)
        except (SpecError, UsageError):
            continue  # an unreadable file has no symbols


def _paths(found: AnalyzedText) -> set[Path]:
    """The files of the chain of a text."""
    sources = (document.source for document in found.documents)
    return {source.path.resolve() for source in sources if source.path is not None}


def _may_extend(found: AnalyzedText, path: Path | None) -> bool:
    """Whether the chain of a text contains a file, or may contain it once it can be read."""
    return path is not None and (not found.is_whole or path in _paths(found))


def _has_its_bases(found: AnalyzedText, read: Read) -> bool:
    """Whether the bases of a text are still the files and texts that were read."""
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
    """The file of a URI; None for an unsaved text or an invalid file name."""
    try:
        parts = urlsplit(uri)
        if parts.scheme != "file":
            return None
        if parts.netloc.lower() == "localhost":  # this machine; to_fs_path would take it for a network share
            uri = f"file://{uri.partition('//')[2][len(parts.netloc) :]}"
        found = to_fs_path(uri.replace(";", "%3B"))  # to_fs_path ends the path at a semicolon
        return Path(found).resolve() if found else None
    except (OSError, RuntimeError, ValueError):  # a NUL character, a loop of links, or an invalid URI
        return None


def name_of(uri: str) -> str:
    """The name of a text without a file."""
    return PurePath(unquote(uri.partition(":")[2].partition("?")[0])).name or "<untitled>"
