from __future__ import annotations

import json
import math

from hvaedsl_runtime.disk.strict_json import json_text


def test_what_is_not_finite_is_null_at_any_depth() -> None:
    content = {"a": math.nan, "b": {"c": [1.5, -math.inf, (math.inf, 2)]}, "d": True, "e": None, "f": "NaN"}
    expected = {"a": None, "b": {"c": [1.5, None, [None, 2]]}, "d": True, "e": None, "f": "NaN"}
    assert json.loads(json_text(content)) == expected
    assert json_text({"a": math.nan}, indent=2) == '{\n  "a": null\n}'
