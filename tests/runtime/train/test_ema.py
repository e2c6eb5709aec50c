from __future__ import annotations

import torch
from torch import Tensor, nn

from hvaedsl_runtime.train.ema import ExponentialMovingAverage
from hvaedsl_runtime.train.flat import FlatLayout, flatten

YES = torch.tensor(True)


def averaged(model: nn.Module, decay: float) -> tuple[ExponentialMovingAverage[nn.Module], Tensor]:
    """The average of a model in flat buffers, and the buffer of its weights."""
    layout = FlatLayout.of(model, {})
    weights = flatten(model, layout)
    return ExponentialMovingAverage(model, layout, decay), weights


def test_follows_the_recursion_from_the_initial_weights() -> None:
    model = nn.Linear(3, 2, dtype=torch.float64)
    expected = model.weight.detach().numpy().copy()
    average, weights = averaged(model, 0.9)
    for _ in range(5):
        with torch.no_grad():
            model.weight.add_(torch.randn_like(model.weight))
        average.update(weights, YES)
        expected = 0.9 * expected + 0.1 * model.weight.detach().numpy()
    torch.testing.assert_close(average.model.weight, torch.from_numpy(expected), rtol=1e-12, atol=0)


def test_a_shared_block_is_averaged_once() -> None:
    block = nn.Linear(1, 1, bias=False)
    shared = nn.Sequential(block, block)
    before = block.weight.item()
    average, weights = averaged(shared, 0.5)
    with torch.no_grad():
        block.weight.add_(1)
    average.update(weights, YES)
    assert average.model.get_submodule("0") is average.model.get_submodule("1")
    assert abs(average.model.get_parameter("0.weight").item() - (before + 0.5)) < 1e-6


def test_needs_no_gradient_and_shares_no_memory() -> None:
    model = nn.Linear(3, 2)
    average, _ = averaged(model, 0.9)
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert average.model.get_parameter("weight").data_ptr() != model.weight.data_ptr()
