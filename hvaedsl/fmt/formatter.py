"""Text to formatted text, and the proof that nothing but white space has changed."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt.layout import text_of
from hvaedsl.fmt.lexemes import Lexeme, lexemes
from hvaedsl.fmt.units import units
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document


def format_text(text: str) -> str:
    """A spec in the one style of docs/formatting.md; line ends become LF, a byte order mark is dropped.

    Only syntax counts: unknown keys and wrong values are formatted like others. Raises `SpecError` where the text does
    not parse, `CompilerBug` where the result would differ from the text in more than white space.
    """
    return format_source(Source("<text>", text))


def format_source(source: Source) -> str:
    """The formatted text of a source. Raises as `format_text` does; diagnostics point into the source."""
    statements = _parsed(source)
    read = lexemes(source)
    formatted = Source(source.name, text_of(units(statements, read)))
    _prove(source, statements, read, formatted)
    return formatted.text


def _parsed(source: Source) -> tuple[ast.Statement, ...]:
    parsed = parse_document(source)
    if parsed.diagnostics:
        raise SpecError(sorted(parsed.diagnostics, key=lambda item: item.span.start))
    return parsed.document.statements


def _prove(source: Source, statements: tuple[ast.Statement, ...], read: list[Lexeme], formatted: Source) -> None:
    """Raise `CompilerBug` unless both texts have the same AST, tokens, comments and silenced places."""
    parsed = parse_document(formatted)
    after = lexemes(formatted) if not parsed.diagnostics else []
    kept = {
        "syntax": not parsed.diagnostics,
        "AST": parsed.document.statements == statements,  # spans do not count
        "tokens": [(item.kind, item.text) for item in after] == [(item.kind, item.text) for item in read],
        "comments": _comments(after) == _comments(read),
        "silenced lines": [item.silenced for item in after] == [item.silenced for item in read],
    }
    lost = [what for what, same in kept.items() if not same]
    if lost:
        raise CompilerBug(f"formatting {source.name} would change its {' and '.join(lost)}; it is left as it is")


def _comments(read: list[Lexeme]) -> list[str]:
    return [comment.text for item in read for comment in item.comments]
