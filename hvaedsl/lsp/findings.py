"""The compiler's diagnostics as the protocol has them."""

from __future__ import annotations

from lsprotocol.types import Diagnostic as Shown
from lsprotocol.types import DiagnosticRelatedInformation, DiagnosticSeverity, Position, Range

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.lint.selection import Selection
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.bases import is_base
from hvaedsl.lsp.navigation import Uri, location
from hvaedsl.syntax import ast

SOURCE = "hvaedsl"
_SEVERITIES = {Severity.ERROR: DiagnosticSeverity.Error, Severity.ADVICE: DiagnosticSeverity.Warning}


def published(analysed: Analysed, uri: Uri) -> list[Shown]:
    """What the editor underlines. A base's own mistake is shown at the `extends` that names it, with its place.

    A file that one beside it extends is a base: keys that it leaves out are not missing.
    """
    found = [shown(analysed, item, uri) for item in worth_showing(analysed)]
    if analysed.bug:
        found.append(_said(f"a bug in hvaedsl, not in your spec: {analysed.bug}", DiagnosticSeverity.Error))
    try:
        _selected(analysed)
    except UsageError as error:
        found.append(_said(f"all advice is given: {error}", DiagnosticSeverity.Warning))
    return found


def worth_showing(analysed: Analysed) -> list[Diagnostic]:
    """What the project selects of the diagnostics, without what a base may leave out."""
    try:
        found = _selected(analysed)
    except UsageError:
        found = list(analysed.diagnostics)
    missing = any(isinstance(item, MissingKey) for item in found)
    base = missing and is_base(analysed.source.path, analysed.read)
    return [item for item in found if not (base and isinstance(item, MissingKey))]


def _selected(analysed: Analysed) -> list[Diagnostic]:
    """As `hvaedsl lint` selects them. Raises `UsageError` where the project's configuration cannot be read."""
    selection = Selection()  # read anew: the configuration may have changed
    return [item for item in analysed.diagnostics if selection.takes(item)]


def _said(text: str, severity: DiagnosticSeverity) -> Shown:
    """Something that has no place in the text."""
    return Shown(Range(Position(0, 0), Position(0, 0)), text, severity=severity, source=SOURCE)


def is_custom(analysed: Analysed, item: Diagnostic) -> bool:
    """Whether a diagnostic points into this text, and not into a base."""
    return item.span.source is analysed.source


def range_of(analysed: Analysed, item: Diagnostic) -> Range:
    """Where a diagnostic is shown in this text."""
    if is_custom(analysed, item):
        return analysed.lines.of_span(item.span)
    extends = next((found for found in analysed.statements if isinstance(found, ast.Extends)), None)
    return analysed.lines.of_span(extends.target.span) if extends is not None else Range(Position(0, 0), Position(0, 0))


def message(item: Diagnostic) -> str:
    """The title, then the label, the notes and the way out, a line each."""
    parts = [item.message]
    if item.label_text and item.label_text not in item.message:
        parts.append(item.label_text)
    parts += [f"note: {note}" for note in item.notes]
    if item.help_text:
        parts.append(f"help: {item.help_text}")
    return "\n".join(parts)


def shown(analysed: Analysed, item: Diagnostic, uri: Uri) -> Shown:
    """One diagnostic as the protocol has it."""
    text = message(item)
    related = [(label.span, label.text) for label in item.secondary]
    if not is_custom(analysed, item):
        text = f"in {item.span}: {text}"
        related.insert(0, (item.span, "in this base"))
    places = [(location(analysed, span, uri), said) for span, said in related]
    return Shown(
        range_of(analysed, item),
        text,
        severity=_SEVERITIES[item.severity],
        code=item.code,
        source=SOURCE,
        related_information=[DiagnosticRelatedInformation(place, said) for place, said in places if place] or None,
    )
