"""The formatter: from tokens and comments to units (one per line) to text. See docs/formatting.md."""

from hvaedsl.fmt.formatter import format_source, format_text

__all__ = ["format_source", "format_text"]
