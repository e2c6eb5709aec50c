"""Activation checkpointing changes what is kept, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.lowering.module import HierarchicalVAE


def trained(model: HierarchicalVAE, every: int | None) -> tuple[float, list[Tensor], int]:
    """The loss, the gradients, and the bytes that autograd kept."""
    model.recompute_every = every
    model.zero_grad()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, 8, 8, 1), generator=generator, dtype=torch.float64)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(layer), dtype=torch.float64)

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(x, torch.zeros_like(x), noise).loss_nats_per_dim
    in_forward = sum(kept.values())
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None], in_forward


def made(passes: str) -> HierarchicalVAE:
    torch.manual_seed(0)
    sets = {
        "train.passes": passes,
        "model.encoder": "8r6, 8d2, 4x3",
        "model.decoder": "4x3, 8m4, 8r6",
        "model.width": 16,
    }
    return hvaedsl.load("digits.hvae", sets=sets).module().double()


@pytest.fixture(scope="module")
def model() -> HierarchicalVAE:
    return made("one_gelu")


@pytest.mark.parametrize("every", [1, 3, 4, 100])
def test_loss_and_gradients_are_the_same_to_the_bit(model: HierarchicalVAE, every: int) -> None:
    loss, gradients, everything = trained(model, None)
    again, recomputed, kept = trained(model, every)
    assert again == loss
    assert all(torch.equal(a, b) for a, b in zip(gradients, recomputed, strict=True))
    assert kept < 0.8 * everything


@pytest.mark.parametrize("every", [1, 4])
def test_what_is_computed_once_is_computed_again_in_each_segment(every: int) -> None:
    """Its gradient is then a sum in another order."""
    model = made("one_gelu, hoist, join")
    loss, gradients, everything = trained(model, None)
    again, recomputed, kept = trained(model, every)
    assert again == loss
    for one, other in zip(gradients, recomputed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    assert kept < 0.8 * everything


def test_nothing_is_checkpointed_without_gradients(model: HierarchicalVAE) -> None:
    model.recompute_every = 2
    with torch.no_grad():
        x = torch.zeros((1, 8, 8, 1), dtype=torch.float64)
        assert model(x, x).loss_nats_per_dim.isfinite()
