from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.likelihoods import Bernoulli


def head_on_logits() -> Bernoulli:
    """A head whose state is its logit."""
    head = Bernoulli(1)
    torch.nn.init.ones_(head.out_conv.weight)
    return head


def test_nll_is_the_mean_over_pixels() -> None:
    logits = torch.tensor([[0.0, 2.0], [-1.0, 3.0]])
    target = torch.tensor([[1.0, 0.0], [1.0, 1.0]])

    def nll(logit: float, value: float) -> float:
        probability = 1 / (1 + math.exp(-logit))
        return -math.log(probability if value else 1 - probability)

    expected = sum(nll(a, b) for a, b in zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True)) / 4
    actual = head_on_logits().nll_nats_per_dim(logits.view(1, 1, 2, 2), target.view(1, 2, 2, 1))
    assert actual.tolist() == pytest.approx([expected], rel=1e-12)


def test_nll_takes_integer_targets_and_keeps_images_apart() -> None:
    state = torch.tensor([0.0, 1000.0, -1000.0]).view(3, 1, 1, 1)
    ones = torch.ones(3, 1, 1, 1, dtype=torch.uint8)
    assert head_on_logits().nll_nats_per_dim(state, ones).tolist() == pytest.approx([math.log(2), 0, 1000])


def test_mean_is_the_probability_and_samples_follow_it() -> None:
    state = torch.full((1, 1, 100, 200), math.log(0.3 / 0.7))
    head = head_on_logits()
    assert head.mean(state).shape == (1, 100, 200, 1)
    torch.testing.assert_close(head.mean(state), torch.full((1, 100, 200, 1), 0.3))
    image = head.sample(state, torch.Generator().manual_seed(1))
    assert image.dtype == torch.uint8
    assert set(image.flatten().tolist()) == {0, 255}
    assert (image == 255).double().mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 20_000))
    assert torch.equal(image, head.sample(state, torch.Generator().manual_seed(1)))


def test_gradients() -> None:
    head = Bernoulli(3)
    target = torch.randint(0, 2, (2, 2, 2, 1)).double()

    def nll(state: Tensor) -> Tensor:
        return head.nll_nats_per_dim(state, target)

    assert torch.autograd.gradcheck(nll, (torch.randn(2, 3, 2, 2, requires_grad=True),))


def test_refuses_a_target_that_would_broadcast() -> None:
    with pytest.raises(
        ValueError, match=r"the target has shape \(1, 2, 2, 1\), the likelihood describes \(3, 2, 2, 1\)"
    ):
        head_on_logits().nll_nats_per_dim(torch.zeros(3, 1, 2, 2), torch.zeros(1, 2, 2, 1))
