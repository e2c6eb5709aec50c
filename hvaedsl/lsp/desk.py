"""The texts that are open in the editor, analysed when something asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from lsprotocol.types import PositionEncodingKind
from pygls.uris import from_fs_path, to_fs_path

from hvaedsl.elaborate.inheritance import load_chain
from hvaedsl.errors import SpecError, UsageError
from hvaedsl.lsp.analysed import Analysed, analyse
from hvaedsl.program import Program
from hvaedsl.shipped import shipped
from hvaedsl.span import Source
from hvaedsl.syntax.text import read_source


class Desk:
    """What is open: texts by URI. A base that is open is read from its buffer, saved or not."""

    def __init__(self) -> None:
        self.encoding = PositionEncodingKind.Utf16
        self.texts: dict[str, str] = {}
        self._analysed: dict[str, Analysed] = {}
        self._good: dict[str, Program] = {}

    def put(self, uri: str, text: str) -> None:
        """A text has been opened or changed; what depends on it is analysed anew when it is asked for."""
        self.texts[uri] = text
        self.forget()

    def close(self, uri: str) -> None:
        """A text is open no longer: its file counts again."""
        self.texts.pop(uri, None)
        self._good.pop(uri, None)
        self.forget()

    def forget(self) -> None:
        """Something that any text may depend on has changed."""
        self._analysed.clear()

    def analysed(self, uri: str) -> Analysed | None:
        """The analysis of an open text, or of a file; None where there is neither."""
        if uri not in self._analysed:
            source = self._source(uri)
            if source is None:
                return None
            made = analyse(source, before=self._good.get(uri), encoding=self.encoding, read=self.read)
            if uri in self.texts and made.last_good is not None:
                self._good[uri] = made.last_good
            self._analysed[uri] = made
        return self._analysed[uri]

    def read(self, path: Path, name: str) -> Source:
        """The text of a file: its buffer's where it is open. Raises as `read_source` does."""
        wanted = path.resolve()
        for uri, text in self.texts.items():
            if path_of(uri) == wanted:
                return Source(name, text, path)
        return read_source(path, name)

    def dependants(self, uri: str) -> list[str]:
        """The other open texts whose chain holds this one."""
        path = path_of(uri)
        return [other for other in self.texts if other != uri and path is not None and path in self._chain(other)]

    def uri_of(self, source: Source) -> str | None:
        """The URI of a source, as the client spells it where it is open; None of one that is no file."""
        if source.path is None:
            return next((uri for uri, found in self._analysed.items() if found.source is source), None)
        path = source.path.resolve()
        return next((uri for uri in self.texts if path_of(uri) == path), None) or from_fs_path(str(path))

    def chains(self, uri: str) -> Iterator[tuple[Source, ...]]:
        """The chains of the other texts: those open, and the specs in the folders of this one and its bases."""
        folders = {path.parent for path in self._chain(uri)}
        own = path_of(uri)
        files = {path for folder in folders for path in folder.glob("*.hvae")}
        files |= {path for path in map(path_of, self.texts) if path is not None}
        for path in sorted(files - {own} if own is not None else files):
            try:
                yield tuple(item.source for item in load_chain(self.read(path, path.name), self.read).documents)
            except (SpecError, UsageError):
                continue  # a file that cannot be read holds no name

    def writable(self, source: Source) -> bool:
        """Whether a source is the user's: open, or a file that may be written and was not shipped with hvaedsl."""
        if source.path is None:
            return True
        path = source.path.resolve()
        is_open = any(path_of(uri) == path for uri in self.texts)
        return is_open or (os.access(path, os.W_OK) and not path.is_relative_to(shipped("specs").resolve()))

    def _chain(self, uri: str) -> set[Path]:
        found = self.analysed(uri)
        sources = (document.source for document in found.documents) if found is not None else ()
        return {source.path.resolve() for source in sources if source.path is not None}

    def _source(self, uri: str) -> Source | None:
        path = path_of(uri)
        text = self.texts.get(uri)
        if text is not None:
            return Source(path.name if path is not None else name_of(uri), text, path)
        if path is None:
            return None
        try:
            return read_source(path, path.name)
        except (SpecError, UsageError):
            return None


def path_of(uri: str) -> Path | None:
    """The file of a URI; None of a text that has none yet."""
    if urlsplit(uri).scheme != "file":
        return None
    found = to_fs_path(uri)
    return Path(found).resolve() if found else None


def name_of(uri: str) -> str:
    """What a text without a file is called."""
    return PurePath(unquote(urlsplit(uri).path)).name or "<untitled>"
