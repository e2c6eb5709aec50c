"""A difference as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hvaedsl.diff.compare import Difference, KeyChange, Side


def difference_json(difference: Difference) -> str:
    """Return the difference as one JSON object with the fields of `hvaedsl.diff.compare.Difference`."""
    weights = difference.weights
    found: dict[str, Any] = {
        "same": difference.is_empty,
        "before": _side(difference.before),
        "after": _side(difference.after),
        "keys": _keys(difference.keys),
        "without_effect": _keys(difference.without_effect),
        "levels": [asdict(change) for change in difference.levels],
        "order": [asdict(change) for change in difference.walks],
        "weights": {
            "load": weights.load if weights.known else None,
            "tensors": weights.tensors,
            "alike": weights.alike,
            "changes": [asdict(change) for change in weights.changes] if weights.known else None,
        },
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _keys(changes: Sequence[KeyChange]) -> list[dict[str, str]]:
    return [{"key": change.key, "before": change.before, "after": change.after} for change in changes]


def _side(side: Side) -> dict[str, Any]:
    return {"label": side.label, "name": side.name, **asdict(side.totals), "uncounted": list(side.uncounted)}
