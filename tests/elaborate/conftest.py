"""A chain of specs for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.elaborate.written import with_lets


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A base, and a spec between it and the child that the tests write."""
    (tmp_path / "pyproject.toml").touch()
    base = with_lets(
        "n = 2", "m = 2*$n", "stage = (8x$n, 8r2)", encoder="$stage, 8d2, 4x1", rest="train { steps = $m }"
    )
    (tmp_path / "base.hvae").write_text(base)
    (tmp_path / "middle.hvae").write_text('hvae 1\nextends "base.hvae"\nsample { count = $m }\n')
    return tmp_path
