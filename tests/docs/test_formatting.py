"""The example in docs/formatting.md is what the formatter makes of it."""

from __future__ import annotations

import re
from pathlib import Path

from hvaedsl.fmt import format_text

PAGE = (Path(__file__).parents[2] / "docs" / "formatting.md").read_text(encoding="utf-8")


def test_before_and_after() -> None:
    before, after = re.findall(r"```hvae\n(.*?)```", PAGE, flags=re.DOTALL)
    assert format_text(before) == after
    assert format_text(after) == after != before
