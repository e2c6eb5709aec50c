"""One text of the editor with all that the compiler says of it, and the last compilation without an error before it.

Most texts of an editor are half written. A feature asks for the present compilation first, and where that has a
placeholder, for the last good one: its figures hold for a value that is still written as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lsprotocol.types import PositionEncodingKind

from hvaedsl.diagnostic import Diagnostic
from hvaedsl.elaborate.inheritance import Read
from hvaedsl.errors import CompilerBug, SpecError
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.words import Word, words
from hvaedsl.passes.base import Unit
from hvaedsl.program import Compilation, Program, compile_source
from hvaedsl.span import Source, Span
from hvaedsl.syntax import ast
from hvaedsl.syntax.text import read_source, refuse_large


@dataclass(frozen=True)
class Analysed:
    """A text, its AST as far as it could be read, and what was found in it."""

    source: Source
    compilation: Compilation
    last_good: Program | None  # this text's, else that of an earlier one
    lines: Lines
    bug: str = ""  # what went wrong in the compiler itself

    @property
    def text(self) -> str:
        """The text."""
        return self.source.text

    @property
    def documents(self) -> tuple[ast.Document, ...]:
        """The chain, the root base first and this text last; empty where the text could not be read at all."""
        return self.compilation.documents

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was found."""
        return self.compilation.diagnostics

    @property
    def statements(self) -> tuple[ast.Statement, ...]:
        """The statements of this text that could be read."""
        return self.documents[-1].statements if self.documents else ()

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The tokens, each with the section and key that it stands in; nothing is left out of a half-written text."""
        return words(self.text)

    @property
    def sound(self) -> Unit | None:
        """The compilation of the present text, where every value of it could be read."""
        return self.compilation.unit if not self.compilation.poisoned else None

    @property
    def unit(self) -> Unit | None:
        """The present compilation, whose values may be placeholders; see `knows`."""
        return self.compilation.unit

    def knows(self, *keys: str) -> bool:
        """Whether the present compilation has read the values of these keys."""
        return self.unit is not None and self.compilation.poisoned.isdisjoint(keys)

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


def analyse(
    source: Source,
    *,
    before: Program | None = None,
    encoding: PositionEncodingKind = PositionEncodingKind.Utf16,
    read: Read = read_source,
) -> Analysed:
    """Compile a text; raises nothing. `before` is the program of an earlier text, `read` reads its bases."""
    lines = Lines(source.text, encoding)
    try:
        refuse_large(len(source.text.encode("utf-8", "surrogatepass")), source.name, source.path)
        compilation = compile_source(source, read=read)
    except SpecError as error:
        return Analysed(source, Compilation(None, (), error.diagnostics), before, lines)
    except CompilerBug as error:
        return Analysed(source, Compilation(None, (), ()), before, lines, str(error))
    return Analysed(source, compilation, compilation.program or before, lines)


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
