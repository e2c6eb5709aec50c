"""The mark of the soak runs, for single values of a parameter: the others are the sample that `make test` runs."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet


def soak(*values: object) -> ParameterSet:
    """Return the values of one case of `pytest.mark.parametrize`, with which only `make soak` runs the test."""
    return pytest.param(*values, marks=pytest.mark.soak)
