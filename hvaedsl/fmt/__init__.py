"""The formatter: tokens with the comments between them -> units, one a line -> text. See docs/formatting.md."""

from hvaedsl.fmt.formatter import format_source, format_text

__all__ = ["format_source", "format_text"]
