"""The compiler's diagnostics, converted for the protocol."""

from __future__ import annotations

from lsprotocol.types import Diagnostic as Shown
from lsprotocol.types import DiagnosticRelatedInformation, DiagnosticSeverity, Position, Range

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.errors import BUG, UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.lint.selection import Selection
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.bases import is_base
from hvaedsl.lsp.navigation import Uri, location
from hvaedsl.syntax import ast

SOURCE = "hvaedsl"
_SEVERITIES = {Severity.ERROR: DiagnosticSeverity.Error, Severity.ADVICE: DiagnosticSeverity.Warning}


def published(analyzed: AnalyzedText, uri: Uri) -> list[Shown]:
    """Return the diagnostics that the editor shows. A diagnostic of a base is shown at `extends`, with its place.

    Keys that a base leaves out are not missing; a base is a file that another one in its folder extends.
    """
    found = [shown(analyzed, item, uri) for item in worth_showing(analyzed)]
    if analyzed.bug:
        found.append(_without_place(f"{BUG}: {analyzed.bug}", DiagnosticSeverity.Error))
    try:
        _selected(analyzed)
    except UsageError as error:
        found.append(_without_place(f"showing all advice: {error}", DiagnosticSeverity.Warning))
    return found


def worth_showing(analyzed: AnalyzedText) -> list[Diagnostic]:
    """The diagnostics that the project selects, without missing keys in a base."""
    try:
        found = _selected(analyzed)
    except UsageError:
        found = list(analyzed.diagnostics)
    missing = any(isinstance(item, MissingKey) for item in found)
    base = missing and is_base(analyzed.source.path, analyzed.read)
    return [item for item in found if not (base and isinstance(item, MissingKey))]


def _selected(analyzed: AnalyzedText) -> list[Diagnostic]:
    """Select as `hvaedsl lint` does. Raises `UsageError` if the configuration of the project cannot be read."""
    selection = Selection()  # a new one each time, because the configuration may have changed
    selection.check(analyzed.source.path)
    return [item for item in analyzed.diagnostics if selection.takes(item)]


def _without_place(text: str, severity: DiagnosticSeverity) -> Shown:
    """A diagnostic that has no place in the text, shown at its start."""
    return Shown(Range(Position(0, 0), Position(0, 0)), text, severity=severity, source=SOURCE)


def is_in_text(analyzed: AnalyzedText, item: Diagnostic) -> bool:
    """Whether a diagnostic is in this text and not in a base."""
    return item.span.source is analyzed.source


def range_of(analyzed: AnalyzedText, item: Diagnostic) -> Range:
    """The range of this text where a diagnostic is shown."""
    if is_in_text(analyzed, item):
        return analyzed.lines.of_span(item.span)
    extends = next((found for found in analyzed.statements if isinstance(found, ast.Extends)), None)
    return analyzed.lines.of_span(extends.target.span) if extends is not None else Range(Position(0, 0), Position(0, 0))


def message(item: Diagnostic) -> str:
    """The title, the label, the notes and the help of a diagnostic, a line each."""
    parts = [item.message]
    if item.label_text and item.label_text not in item.message:
        parts.append(item.label_text)
    parts += [f"note: {note}" for note in item.notes]
    if item.help_text:
        parts.append(f"help: {item.help_text}")
    return "\n".join(parts)


def shown(analyzed: AnalyzedText, item: Diagnostic, uri: Uri) -> Shown:
    """Convert one diagnostic for the protocol."""
    text = message(item)
    related = [(label.span, label.text) for label in item.secondary]
    if not is_in_text(analyzed, item):
        text = f"in {item.span}: {text}"
        related.insert(0, (item.span, "in this base"))
    places = [(location(analyzed, span, uri), label) for span, label in related]
    return Shown(
        range_of(analyzed, item),
        text,
        severity=_SEVERITIES[item.severity],
        code=item.code,
        source=SOURCE,
        related_information=[DiagnosticRelatedInformation(place, label) for place, label in places if place] or None,
    )
