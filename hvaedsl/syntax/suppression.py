"""Comments that suppress advice: `# hvae: ignore[HV502] reason`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.syntax.grammar import hvae_parser

_IGNORE = re.compile(r"#\s*hvae:\s*ignore\[\s*(HV\d{3}(?:\s*,\s*HV\d{3})*)\s*\]")
_MEANT = re.compile(r"#\s*hvae:\s*ignore\b", re.IGNORECASE)
_COMMENT = re.compile(r"#[^\r\n]*")
_CODE = re.compile(r"HV\d{3}")


class Suppression(Record):
    """One `# hvae: ignore[...]` comment of a file, or an invalid form of it."""

    span: Span  # from the `#` to the end of the reason
    codes: tuple[tuple[str, Span], ...]  # each code as often as it is written; empty if the comment is invalid


def suppressions(source: Source) -> Iterator[Suppression]:
    """The comments of a text that suppress advice, and invalid ones. Text inside a string is not a comment."""
    if _MEANT.search(source.text) is None:
        return
    end = 0
    for token in hvae_parser().lex(source.text):
        yield from _between(source, end, token.start_pos)
        end = token.end_pos
    yield from _between(source, end, len(source.text))


def _between(source: Source, start: int, end: int) -> Iterator[Suppression]:
    """The suppressions between two tokens."""
    for comment in _COMMENT.finditer(source.text, start, end):
        end_of_reason = len(source.text[: comment.end()].rstrip())
        if found := _IGNORE.search(source.text, comment.start(), comment.end()):
            codes = _CODE.finditer(source.text, found.start(1), found.end(1))
            yield Suppression(
                source.span(found.start(), end_of_reason),
                tuple((code[0], source.span(code.start(), code.end())) for code in codes),
            )
        elif meant := _MEANT.search(source.text, comment.start(), comment.end()):
            yield Suppression(source.span(meant.start(), end_of_reason), ())


def suppressed(item: Diagnostic) -> bool:
    """Whether a comment on the line of a piece of advice suppresses it. Errors are never suppressed."""
    return item.severity is Severity.ADVICE and item.code in ignored_codes(item.span.source, item.span.line)


def ignored_codes(source: Source, line: int) -> frozenset[str]:
    """The codes that line `line` (1-based) suppresses."""
    return codes_in(source.line(line))


def codes_in(text: str) -> frozenset[str]:
    """The codes that one line of text suppresses."""
    found = _IGNORE.search(text)
    return frozenset(re.split(r"\s*,\s*", found[1])) if found else frozenset()
