"""State normalization (the paper, Table 2): norms are 1, and a state of zeros has a derivative."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.normalization import Norm, Over, normalize_state


def norms(x: Tensor, over: Over, norm: Norm) -> Tensor:
    flat = x.flatten(1) if over == "sample" else x.flatten()[None]
    size: Tensor = torch.linalg.vector_norm(flat, dim=1)
    return size / flat.shape[1] ** 0.5 if norm == "rms" else size


@pytest.mark.parametrize("norm", ["l2", "rms"])
@pytest.mark.parametrize("over", ["sample", "batch"])
@pytest.mark.parametrize("size", [1e-5, 1.0, 1e5])
def test_the_norm_is_1_and_the_direction_stays(over: Over, norm: Norm, size: float) -> None:
    x = size * torch.randn(3, 4, 5, 5) * torch.tensor([0.5, 1, 3])[:, None, None, None]
    made = normalize_state(x, over, norm)
    torch.testing.assert_close(norms(made, over, norm), torch.ones(3 if over == "sample" else 1), atol=1e-6, rtol=0)
    torch.testing.assert_close(made, x * (made.flatten()[0] / x.flatten()[0] if over == "batch" else made / x))
    assert (made * x >= 0).all()


@pytest.mark.parametrize("norm", ["l2", "rms"])
@pytest.mark.parametrize("over", ["sample", "batch"])
def test_a_state_near_zero_stays_and_has_the_derivative_1(over: Over, norm: Norm) -> None:
    x = torch.zeros(2, 3, 4, 4, requires_grad=True)
    made = normalize_state(x, over, norm)
    assert torch.equal(made, x)
    (gradient,) = torch.autograd.grad(made.sum(), x)
    assert torch.equal(gradient, torch.ones_like(x))
    below = torch.full((1, 1, 1, 1), 0.9e-6)
    assert torch.equal(normalize_state(below, over, norm), below)


def test_one_image_of_a_batch_at_zero_leaves_the_others() -> None:
    x = torch.randn(2, 3, 4, 4)
    x[0] = 0
    x.requires_grad_()
    made = normalize_state(x, "sample", "l2")
    (gradient,) = torch.autograd.grad(made.square().sum(), x)
    assert gradient.isfinite().all()
    torch.testing.assert_close(norms(made, "sample", "l2"), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(gradient[1], torch.zeros_like(gradient[1]), atol=1e-12, rtol=0)  # the norm is constant


def test_the_norm_is_computed_in_float32() -> None:
    x = 300 * torch.randn(1, 64, 32, 32).bfloat16()
    made = normalize_state(x, "sample", "l2")
    assert made.dtype == torch.bfloat16
    assert made.double().norm() == pytest.approx(1, abs=1e-3)
