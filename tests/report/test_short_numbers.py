"""Counts and sizes in three digits, at the edges of their suffixes too."""

from __future__ import annotations

import pytest

from hvaedsl.report.cost_table import short_count, size


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (5, "5"), (999, "999"), (999.6, "1k"), (12_345, "12.3k"), (999_600, "1M"), (39_145_700, "39.1M")],
)
def test_counts(number: float, shown: str) -> None:
    assert short_count(number) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(5, "5 B"), (1023, "1023 B"), (999.6 * 1024, "1000 KiB"), (1024 * 1023.9, "1 MiB"), (25 << 30, "25 GiB")],
)
def test_sizes(count: float, shown: str) -> None:
    assert size(count) == shown
