"""The optimizing passes, by the names that specs and options give them."""

from __future__ import annotations

from typing import Literal

Pass = Literal["one_gelu", "hoist", "join"]
# In the order in which they are applied (`hvaedsl.pipeline`).
PASSES: tuple[Pass, ...] = ("one_gelu", "hoist", "join")
