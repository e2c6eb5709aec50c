from __future__ import annotations

import pytest

from hvaedsl_runtime.theory.check_inputs import CheckInputs, digits_inputs


@pytest.fixture(scope="package")
def digits() -> CheckInputs:
    return digits_inputs(seed=0)
