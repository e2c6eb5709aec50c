"""The counts that checks use are those of the whole cost."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.passes.cost import cost, parameter_count, stochastic_depth
from hvaedsl.shipped import spec_names


@pytest.mark.parametrize("name", [name for name in spec_names() if name != "vdvae"])
def test_they_agree_with_the_cost(name: str) -> None:
    bridge = hvaedsl.load(name).bridge
    assert (parameter_count(bridge), stochastic_depth(bridge)) == (
        cost(bridge).parameters,
        cost(bridge).stochastic_depth,
    )
