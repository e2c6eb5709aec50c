"""The chain of documents of a spec: its bases and the spec itself, and the overrides of the command line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.names import BaseNotFound, InheritanceCycle
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.bases import Bases
from hvaedsl.elaborate.bases import Read as Read  # for callers of this module
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import Parsed, parse_document
from hvaedsl.syntax.text import read_source


class Chain(Record):
    """Documents from the root base to the spec itself, and the mistakes found in reading them."""

    documents: tuple[ast.Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    complete: bool  # whether every document could be read to its end


def load_chain(source: Source, read: Read = read_source, bases: Bases | None = None) -> Chain:
    """Parse a spec and its bases, root base first. `bases` finds them, by default with `read`."""
    bases = bases or Bases(read)
    documents: list[ast.Document] = []
    diagnostics: list[Diagnostic] = []
    complete = True
    seen: list[Path | None] = []
    current: Source | None = source
    while current is not None:
        seen.append(current.path.resolve() if current.path else None)
        parsed = parse_document(source) if current is source else _parsed(current.name, current.text, current.path)
        documents.insert(0, parsed.document)
        diagnostics = [*parsed.diagnostics, *diagnostics]
        complete = complete and parsed.complete

        # Continue with the base. A base that cannot be read ends the chain with its error.
        extends = next((s for s in parsed.document.statements if isinstance(s, ast.Extends)), None)
        current = None
        if extends is not None:
            try:
                current = _base(extends, seen, bases)
            except SpecError as error:
                diagnostics.extend(error.diagnostics)
                complete = False
    return Chain(tuple(documents), tuple(diagnostics), complete)


@lru_cache(maxsize=64)
def _parsed(name: str, text: str, path: Path | None) -> Parsed:
    """A base as it is parsed once for all the specs that extend it."""
    return parse_document(Source(name, text, path))


def _base(extends: ast.Extends, seen: list[Path | None], bases: Bases) -> Source:
    """The source that an `extends` names. Raises `SpecError` if it cannot be read, or extends this spec."""
    target, span = extends.target.value, extends.target.span
    try:
        path, shown = bases.find(target, span.source, span)
    except OSError as error:  # the name is too long, or a loop of links
        reason = (error.strerror or "cannot be read").lower()
        raise SpecError([BaseNotFound(span=span, target=target, reason=reason)]) from None
    except RuntimeError:  # a loop of links, up to Python 3.12
        raise SpecError([BaseNotFound(span=span, target=target, reason="a loop of symbolic links")]) from None
    except ValueError as error:  # a NUL in the name
        raise SpecError([BaseNotFound(span=span, target=target, reason=str(error))]) from None

    if path in seen:
        names = [p.name if p else "this spec" for p in seen[seen.index(path) :]]
        raise SpecError([InheritanceCycle(span=span, cycle=" -> ".join([*names, path.name]))])

    try:
        return bases.read(path, shown)
    except UsageError as error:
        raise SpecError([BaseNotFound(span=span, target=target, reason=str(error))]) from None
