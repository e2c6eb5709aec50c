from __future__ import annotations

import pytest

from hvaedsl_runtime.theory.material import Material, digits_material


@pytest.fixture(scope="package")
def digits() -> Material:
    return digits_material(seed=0)
