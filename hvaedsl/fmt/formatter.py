"""Format a text, and verify that only white space has changed."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt.layout import text_of
from hvaedsl.fmt.lexemes import Lexeme, lexemes
from hvaedsl.fmt.units import units
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document


def format_text(text: str) -> str:
    """Format a spec in the style of docs/formatting.md; line ends become LF, and a byte order mark is removed.

    Only the syntax matters: unknown keys and wrong values are formatted like others. Raises `SpecError` for a syntax
    error, and `CompilerBug` if the result would differ from the text in more than white space.
    """
    return format_source(Source("<text>", text))


def format_source(source: Source) -> str:
    """Format a source. Raises as `format_text` does; the diagnostics point into the source."""
    statements = _parsed(source)
    read = lexemes(source)
    formatted = Source(source.name, text_of(units(statements, read)))
    _verify(source, statements, read, formatted)
    return formatted.text


def _parsed(source: Source) -> tuple[ast.Statement, ...]:
    parsed = parse_document(source)
    if parsed.diagnostics:
        raise SpecError(sorted(parsed.diagnostics, key=lambda item: item.span.start))
    return parsed.document.statements


def _verify(source: Source, statements: tuple[ast.Statement, ...], read: list[Lexeme], formatted: Source) -> None:
    """Raise `CompilerBug` unless both texts have the same AST, tokens, comments and suppressed places."""
    parsed = parse_document(formatted)
    after = lexemes(formatted) if not parsed.diagnostics else []
    kept = {
        "syntax": not parsed.diagnostics,
        "AST": parsed.document.statements == statements,  # spans are not compared
        "tokens": [(item.kind, item.text) for item in after] == [(item.kind, item.text) for item in read],
        "comments": _comments(after) == _comments(read),
        "suppressed lines": [item.suppressed for item in after] == [item.suppressed for item in read],
    }
    lost = [what for what, same in kept.items() if not same]
    if lost:
        raise CompilerBug(f"formatting {source.name} would change its {' and '.join(lost)}; it was not changed")


def _comments(read: list[Lexeme]) -> list[str]:
    return [comment.text for item in read for comment in item.comments]
