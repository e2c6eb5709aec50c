"""A text of the editor, what the compiler knows about it, and the last program that compiled before it.

Tokens, statements and values are read when they are first used. The bridge, its figures and the diagnostics exist once
`compiled` has compiled the text.

Most texts in an editor are half written. A feature uses the compilation of the present text if it can, and otherwise
the last good program, whose figures hold for every value that has not changed since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.collect import Collected, collect
from hvaedsl.elaborate.constants import Constants
from hvaedsl.elaborate.definitions import Definition
from hvaedsl.elaborate.inheritance import Chain, Read, load_chain
from hvaedsl.elaborate.resolve import Resolved, resolve
from hvaedsl.lsp.placed_tokens import PlacedToken, placed_tokens
from hvaedsl.lsp.position import Lines
from hvaedsl.passes.base import Unit
from hvaedsl.program import Compilation, Program, compile_source
from hvaedsl.syntax import ast
from hvaedsl.syntax.assignments import assignments
from hvaedsl.syntax.text import read_source, refuse_large

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalyzedText:
    """A text as the client has it, with the results of the compiler."""

    source: Source
    lines: Lines
    read: Read = read_source  # returns the text of a base
    before: Program | None = None  # of an earlier version
    compilation: Compilation | None = None  # None until it is compiled
    bug: str = ""  # an error of the compiler itself
    uri: str = ""
    version: int | None = None  # None if it is not open

    @property
    def text(self) -> str:
        """The text of the source."""
        return self.source.text

    @property
    def unit(self) -> Unit | None:
        """The unit that the rules checked, in which a value may be a placeholder; None until the text is compiled."""
        return self.compilation.unit if self.compilation is not None else None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The diagnostics; empty until the text is compiled."""
        return self.compilation.diagnostics if self.compilation is not None else ()

    @property
    def program(self) -> Program | None:
        """The program of this text; None if it has errors or is not compiled yet."""
        return self.compilation.program if self.compilation is not None else None

    @property
    def last_good(self) -> Program | None:
        """The program of this text or of the last earlier version that compiled."""
        return self.program or self.before

    @cached_property
    def tokens(self) -> tuple[PlacedToken, ...]:
        """All tokens, also of a half-written text, each with the section and key that it is in."""
        return placed_tokens(self.text)

    @cached_property
    def _chain(self) -> Chain:
        try:
            _refuse_large(self.source)
        except SpecError as error:
            return Chain((), error.diagnostics, complete=False)
        return load_chain(self.source, self.read)

    @property
    def documents(self) -> tuple[ast.Document, ...]:
        """The chain of `extends`, the root base first and this text last; empty if the text could not be read."""
        return self.compilation.documents if self.compilation is not None else self._chain.documents

    @property
    def is_whole(self) -> bool:
        """Whether this text and all of its bases could be read completely."""
        return self._chain.complete if self.compilation is None else self.unit is not None

    @property
    def statements(self) -> tuple[ast.Statement, ...]:
        """The statements of this text that could be read."""
        return self.documents[-1].statements if self.documents else ()

    @cached_property
    def values(self) -> Resolved | None:
        """The values of the chain, as far as they could be read; None if the text could not be read."""
        unit = self.unit
        if self.compilation is not None and unit is not None:
            return Resolved(unit.spec, unit.origins, self.compilation.poisoned, ())
        if not self.documents:
            return None
        return resolve("model", self.source, self.collected, complete=False)

    def values_without(self, keys: Collection[str]) -> Resolved | None:
        """The values without those of some keys, which are not read; the compiled ones if there are any."""
        if self.compilation is not None or not self.documents:
            return self.values
        collected = self.collected
        kept = {key: value for key, value in collected.values.items() if key not in keys}
        some = replace(collected, values=kept, broken=set(collected.broken), diagnostics=[])
        return resolve("model", self.source, some, complete=False)

    @cached_property
    def collected(self) -> Collected:
        """The merged statements of the chain, with the values of its constants."""
        return collect(self.documents, {}, {}, complete=False)

    @property
    def constants(self) -> Constants:
        """The constants of the chain; those in `unreadable` have no value, or only a placeholder."""
        return self.collected.constants

    def values_below(self, dotted: str) -> tuple[ast.Value, ...]:
        """The values of a key in the bases, the nearest first; also if the value in this text cannot be read."""
        found = (dict(reversed(list(assignments(document.statements)))) for document in reversed(self.documents[:-1]))
        return tuple(statements[dotted].value for statements in found if dotted in statements)

    def definition(self, name: str) -> Definition | None:
        """The definition of a constant that is in effect: the one nearest to this text."""
        found = self.collected.lets.get(name)
        return found[-1] if found else None

    def knows(self, *keys: str) -> bool:
        """Whether the values of these keys could be read."""
        return self.values is not None and self.values.poisoned.isdisjoint(keys)

    def token_at(self, offset: int) -> PlacedToken | None:
        """The token that contains an offset or ends there; of two that meet, the second unless it is punctuation."""
        touching = [token for token in self.tokens if token.start <= offset <= token.end]
        named = [token for token in touching if token.role != "mark"]
        return next(reversed(named or touching), None)

    def assignments(self) -> Iterator[tuple[str, ast.Assignment]]:
        """Assignments of this text that could be read, by dotted key."""
        yield from assignments(self.statements)


class Outdated(Exception):  # no error: it ends the compilation of a text that has changed
    """The text has changed, so nobody waits for the result."""


def compiled(analyzed: AnalyzedText, between: Callable[[], None] = lambda: None) -> AnalyzedText:
    """Compile a text; changes nothing, and may run in any thread.

    `between` is called between the parts of the work. Raises `Outdated` if it does, and nothing else.
    """
    try:
        _refuse_large(analyzed.source)
        found = compile_source(analyzed.source, read=analyzed.read, between=between)
        before = analyzed.before if found.program is None else None  # else it is not the last good one any more
        return replace(analyzed, compilation=found, before=before)
    except Outdated:
        raise
    except SpecError as error:
        return replace(analyzed, compilation=Compilation(None, (), error.diagnostics))
    except CompilerBug as error:
        return replace(analyzed, compilation=Compilation(None, (), ()), bug=str(error))
    except Exception as error:  # the server continues and reports the error
        _LOG.exception("compiling %s", analyzed.source.name)
        return replace(analyzed, compilation=Compilation(None, (), ()), bug=f"{type(error).__name__}: {error}")


def _refuse_large(source: Source) -> None:
    refuse_large(len(source.text.encode("utf-8", "surrogatepass")), source.name, source.path)


def within(span: Span, offset: int) -> bool:
    """Whether an offset is in a span or at its end."""
    return span.start <= offset <= span.end
