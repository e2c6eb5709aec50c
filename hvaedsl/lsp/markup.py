"""Markdown for clients that show it, and the same text without its marks for the others."""

from __future__ import annotations

import re

from lsprotocol.types import MarkupKind

_FENCE = re.compile(r"^```.*\n?", re.MULTILINE)
_CODE_OR_BOLD = re.compile(r"`([^`\n]*)`|\*\*([^*\n]*)\*\*")


def in_kind(text: str, kind: MarkupKind) -> str:
    """A Markdown text in the kind that a client takes."""
    if kind == MarkupKind.Markdown:
        return text
    plain, marked = [], True
    for part in _FENCE.split(text):
        plain.append(_CODE_OR_BOLD.sub(_bare, part) if marked else part)
        marked = not marked
    return "".join(plain).strip()


def _bare(found: re.Match[str]) -> str:
    """A code span or a bold text without its marks; a code span may contain asterisks."""
    if found[1] is not None:
        return found[1]
    return _CODE_OR_BOLD.sub(_bare, found[2])
