"""One text of the editor with what is known of it, and the last compilation without an error before it.

A text can be asked as soon as it is there: its words, statements and values are read when something asks for them. What
its bridge says, the figures and the findings, is there once it is compiled, which `compiled` does.

Most texts of an editor are half written. A feature asks for the present compilation first, and where that has a
placeholder, for the last good one: its figures hold for a value that is still written as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.collect import collect
from hvaedsl.elaborate.inheritance import Chain, Read, load_chain
from hvaedsl.elaborate.resolve import Resolved, resolve
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.words import Word, words
from hvaedsl.passes.base import Unit
from hvaedsl.program import Compilation, Program, compile_source
from hvaedsl.syntax import ast
from hvaedsl.syntax.text import read_source, refuse_large

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Analysed:
    """A text as the client knows it, and what the compiler says of it."""

    source: Source
    lines: Lines
    read: Read = read_source  # gives the texts of its bases
    before: Program | None = None  # of an earlier text
    compilation: Compilation | None = None  # None where it is not compiled yet
    bug: str = ""  # what went wrong in the compiler itself
    uri: str = ""
    version: int | None = None  # None where it is not open

    @property
    def text(self) -> str:
        """The text."""
        return self.source.text

    @property
    def unit(self) -> Unit | None:
        """What the rules looked at, whose values may be placeholders; None before it is compiled, too."""
        return self.compilation.unit if self.compilation is not None else None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was found; nothing before it is compiled."""
        return self.compilation.diagnostics if self.compilation is not None else ()

    @property
    def program(self) -> Program | None:
        """The program of this text; None where it has errors, and before it is compiled."""
        return self.compilation.program if self.compilation is not None else None

    @property
    def last_good(self) -> Program | None:
        """The program of this text, else that of an earlier one."""
        return self.program or self.before

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The tokens, each with the section and key that it stands in; nothing is left out of a half-written text."""
        return words(self.text)

    @cached_property
    def _chain(self) -> Chain:
        try:
            _refuse_large(self.source)
        except SpecError as error:
            return Chain((), error.diagnostics, complete=False)
        return load_chain(self.source, self.read)

    @property
    def documents(self) -> tuple[ast.Document, ...]:
        """The chain, the root base first and this text last; empty where the text could not be read at all."""
        return self.compilation.documents if self.compilation is not None else self._chain.documents

    @property
    def is_whole(self) -> bool:
        """Whether the text and all that it extends could be read to the end."""
        return self._chain.complete if self.compilation is None else self.unit is not None

    @property
    def statements(self) -> tuple[ast.Statement, ...]:
        """The statements of this text that could be read."""
        return self.documents[-1].statements if self.documents else ()

    @cached_property
    def values(self) -> Resolved | None:
        """The values of the chain as far as they could be read; None where the text could not be read at all."""
        unit = self.unit
        if self.compilation is not None and unit is not None:
            return Resolved(unit.spec, unit.origins, self.compilation.poisoned, ())
        if not self.documents:
            return None
        return resolve("model", self.source, collect(self.documents, {}, {}, complete=False), complete=False)

    def knows(self, *keys: str) -> bool:
        """Whether the values of these keys have been read."""
        return self.values is not None and self.values.poisoned.isdisjoint(keys)

    def word_at(self, offset: int) -> Word | None:
        """The token that holds or ends at an offset; of two that touch there the second, unless that is a mark."""
        touching = [word for word in self.words if word.start <= offset <= word.end]
        named = [word for word in touching if word.role != "mark"]
        return next(reversed(named or touching), None)

    def assignments(self) -> Iterator[tuple[str, ast.Assignment]]:
        """Every assignment of this text that could be read, by dotted key."""
        yield from assignments(self.statements)

    def lets(self) -> dict[str, tuple[ast.Let, int | None]]:
        """The constants of the chain by name: the statement that counts, and its value where that is a whole number."""
        return {
            item.name.text: (item, item.value.value if isinstance(item.value, ast.Integer) else None)
            for document in self.documents
            for item in document.statements
            if isinstance(item, ast.Let)
        }


def compiled(analysed: Analysed) -> Analysed:
    """The same text, compiled; raises nothing. It changes nothing either, and may run in any thread."""
    try:
        _refuse_large(analysed.source)
        return replace(analysed, compilation=compile_source(analysed.source, read=analysed.read))
    except SpecError as error:
        return replace(analysed, compilation=Compilation(None, (), error.diagnostics))
    except CompilerBug as error:
        return replace(analysed, compilation=Compilation(None, (), ()), bug=str(error))
    except Exception as error:  # the last resort: a server that goes on, and says what has happened
        _LOG.exception("compiling %s", analysed.source.name)
        return replace(analysed, compilation=Compilation(None, (), ()), bug=f"{type(error).__name__}: {error}")


def _refuse_large(source: Source) -> None:
    refuse_large(len(source.text.encode("utf-8", "surrogatepass")), source.name, source.path)


def assignments(statements: tuple[ast.Statement, ...], section: str = "") -> Iterator[tuple[str, ast.Assignment]]:
    """The assignments of some statements by dotted key, in the order of the text."""
    for item in statements:
        if isinstance(item, ast.Assignment):
            yield f"{section}{item.key.text}", item
        elif isinstance(item, ast.Section):
            yield from assignments(item.statements, f"{section}{item.name.text}.")


def within(span: Span, offset: int) -> bool:
    """Whether an offset stands in a span or at its end."""
    return span.start <= offset <= span.end
