"""The block lists of causal-gen (biomedia-mira/causal-gen, src/vae.py), rewritten in this language.

In its encoder `RbN` is N blocks at R, and `RbNdK` N blocks and one more that is followed by average pooling by K; of K
only the first digit is read. In its decoder `RbN` is N blocks at R, the first of which takes in the state before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# At most 15 digits, as in all numbers.
STAGE = r"[0-9]{1,15}b[0-9]{1,15}(?:d[0-9]{1,15})?"
_PARTS = re.compile(r"([0-9]+)b([0-9]+)(?:d([0-9]+))?")

Stage = tuple[int, int, int]  # resolution, blocks, and the factor of the pooling or 0


def pools(text: str) -> bool:
    """Whether a list has a pooling, which only an encoder does."""
    return "d" in text


def encoder(text: str) -> str:
    """The encoder in this language; empty if it means something else there than what is written."""
    stages = list(_stages(text))
    if any(factor > 9 for _, _, factor in stages):
        return ""
    entries = []
    for resolution, blocks, factor in stages:
        entries += [f"{resolution}x{blocks}"] if blocks else []
        entries += [f"{resolution}d{factor}"] if factor else []
    return ", ".join(entries)


def decoder(text: str) -> str:
    """The decoder in this language; empty if a stage pools or has no block."""
    entries: list[str] = []
    before = 0
    for resolution, blocks, factor in _stages(text):
        if factor or not blocks:
            return ""
        if 0 < before < resolution:
            entries.append(f"{resolution}m{before}")
            blocks -= 1
        entries += [f"{resolution}x{blocks}"] if blocks else []
        before = resolution
    return ", ".join(entries)


def _stages(text: str) -> Iterator[Stage]:
    for resolution, blocks, factor in _PARTS.findall(text):
        yield int(resolution), int(blocks), int(factor or 0)
