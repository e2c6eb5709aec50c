from __future__ import annotations

import pytest
import torch

from hvaedsl.nn.precision import at_least_float32


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_widens_only_16_bit_floats(given: torch.dtype, wanted: torch.dtype) -> None:
    x = torch.tensor([1.5, -2.0], dtype=given)
    assert at_least_float32(x).dtype == wanted
    assert at_least_float32(x).tolist() == [1.5, -2.0]
