"""Rewriting a spec without changing what it means: how new constants are named and placed, and how a result is checked.

Extract, inline and fold propose edits. Each is formatted as `hvaedsl fmt` does and offered only if the resolved spec
and the findings of the compiler's front end stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from lsprotocol.types import CodeActionKind

from hvaedsl.diagnostics.additions import behind_constants
from hvaedsl.diagnostics.diagnostic import Edit, edited
from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.collect import collect
from hvaedsl.elaborate.constants import BASE, free_name
from hvaedsl.elaborate.resolve import resolve
from hvaedsl.fmt import format_text
from hvaedsl.ir.spec import Spec
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.family import Chains, is_overridden, is_used_with, no_chains
from hvaedsl.lsp.formatting import changed_lines, formatted_at
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document
from hvaedsl.syntax.references import references


@dataclass(frozen=True)
class Rewrite:
    """Edits of one text, before they are formatted."""

    title: str
    kind: CodeActionKind
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Meaning:
    """What a chain of documents means: its spec, the keys that cannot be read, and the findings by their codes."""

    spec: Spec
    poisoned: frozenset[str]
    codes: Counter[str]


class Refactoring:
    """A text that is rewritten, with its meaning, which every rewrite keeps."""

    def __init__(self, analyzed: AnalyzedText, chains: Chains = no_chains) -> None:
        self.analyzed = analyzed
        self._chains = chains

    @cached_property
    def is_possible(self) -> bool:
        """Whether the text can be read to its end without a syntax error."""
        return bool(self.analyzed.documents) and not parse_document(self.analyzed.source).diagnostics

    @cached_property
    def _is_formatted(self) -> bool:
        return format_text(self.analyzed.text) == self.analyzed.text

    @cached_property
    def _meaning(self) -> Meaning:
        return self._meaning_of(self.analyzed.documents)

    def _meaning_of(self, documents: tuple[ast.Document, ...]) -> Meaning:
        collected = collect(documents, {}, {}, complete=True)
        resolved = resolve("model", self.analyzed.source, collected, complete=True)
        found = (*collected.diagnostics, *resolved.diagnostics)
        return Meaning(resolved.spec, resolved.poisoned, Counter(item.code for item in found))

    def finished(self, rewrite: Rewrite) -> list[Edit] | None:
        """The formatted edits of a rewrite; None if the text would mean something else."""
        source = self.analyzed.source
        try:
            text = edited(source.text, rewrite.edits)
            if self._is_formatted:
                text = format_text(text)
            else:
                text = edited(text, formatted_at(Source(source.name, text), _places(rewrite.edits)))
        except (SpecError, CompilerBug):
            return None
        parsed = parse_document(Source(source.name, text, source.path))
        if parsed.diagnostics or self._meaning_of((*self.analyzed.documents[:-1], parsed.document)) != self._meaning:
            return None
        return changed_lines(source, text)

    def free_name(self, word: str) -> str:
        """A name that no spec of the chain, and none that extends this one, defines or uses."""
        documents = self.analyzed.documents
        taken = {BASE, *self.analyzed.collected.lets}
        taken |= {item.name for document in documents for item in references(document)}
        while is_used_with(self.analyzed, name := free_name(word, taken), self._chains):
            taken.add(name)
        return name

    def is_overridden(self, name: str) -> bool:
        """Whether a spec that extends this one gives a constant another value, which a rewrite would take from it."""
        return is_overridden(self.analyzed, name, self._chains)

    def definition(self, name: str, value: str) -> Edit | None:
        """Define a constant behind the last `let`, or at the top; None if the text has no place for it."""
        lets = [item.span for item in self.analyzed.statements if isinstance(item, ast.Let)]
        return behind_constants(self.analyzed.source, lets, f"let {name} = {value}")


def _places(edits: Collection[Edit]) -> list[tuple[int, int]]:
    """The places of edits in the text after them."""
    found = []
    moved = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        start, text = edit.span.start + moved, edit.replacement
        found.append((start + len(text) - len(text.lstrip()), start + len(text)))  # not the statement before it
        moved += len(edit.replacement) - (edit.span.end - edit.span.start)
    return found
