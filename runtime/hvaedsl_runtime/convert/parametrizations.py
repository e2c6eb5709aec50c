"""Weights that a file has as factors, from which torch computes them: of normalizations and of pruning."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

# The endings that torch gives to the factors of a parameter, and the call that replaces them by the parameter. The
# ending `_v` is that of weight_norm and of spectral_norm, and tells nothing.
CALLS = (
    (re.compile(r"\.parametrizations\.(\w+)\.(original\d*|\d+\.\w+)$"), "parametrize.remove_parametrizations"),
    (re.compile(r"\.(\w+)_g$"), "remove_weight_norm"),
    (re.compile(r"\.(\w+)_u$"), "remove_spectral_norm"),
    (re.compile(r"\.(\w+)_mask$"), "prune.remove"),
)


def folding(unknown: Iterable[str], missing: Collection[str]) -> str:
    """The call that computes missing parameters from their factors among the unknown names; empty if there are none."""
    for name in unknown:
        for ending, call in CALLS:
            if (found := ending.search(name)) and f"{name[: found.start()]}.{found[1]}" in missing:
                return f"torch.nn.utils.{call}"
    return ""
