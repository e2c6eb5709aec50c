"""Estimated widths of text, large enough for any common sans-serif font."""

from __future__ import annotations

import unicodedata

_REGULAR_EM = 0.64  # the widest common fallback font (DejaVu Sans) averages 0.6 em on the labels drawn here
_BOLD_EM = 0.73
_WIDE_EM = 1.05


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return an upper estimate of the width of one line of text, in points; `size` is the font size in points."""
    narrow = _BOLD_EM if bold else _REGULAR_EM
    return size * sum(_WIDE_EM if unicodedata.east_asian_width(letter) in "WF" else narrow for letter in text)
