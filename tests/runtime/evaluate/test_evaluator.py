from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hvaedsl import Program
from hvaedsl.lowering.module import Output
from hvaedsl_runtime.data import Preparation, open_split, preparation
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator, LikelihoodBound

Compiled = Callable[..., Program]


class MeanPixel(nn.Module):
    """Distortion: the mean of the target. Rate: the mean of the noise."""

    stochastic_depth = 1

    def forward(self, x: Tensor, target: Tensor, noise: Callable[[int, tuple[int, ...]], Tensor]) -> Output:
        distortion = target.mean(dim=(1, 2, 3))
        rate = noise(0, (len(x), 2, 4, 4)).mean(dim=(1, 2, 3))
        return Output((distortion + rate).mean(), distortion, rate, rate[None])


def evaluator(program: Program, processes: Processes, batch_size: int = 4, split_seed: int = 0) -> Evaluator:
    train = open_split(program.spec.data, "train")
    prepare = preparation(program.spec.data, program.spec.model.likelihood, train)
    test = open_split(program.spec.data, "test")
    return Evaluator(test, prepare, 3, split_seed, batch_size, processes, torch.float64, program.plan().latent_shapes)


def test_every_image_counts_once_also_in_a_short_last_batch(compiled: Compiled, alone: Processes) -> None:
    evaluate = evaluator(compiled(), alone)
    pixels = evaluate.images.batch(range(11)).astype(np.float64)
    bound = evaluate(MeanPixel())
    assert bound.images == 11
    assert bound.distortion_nats_per_dim == pytest.approx((pixels / 8 - 1).mean(), rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 3, 11, 64])
def test_the_batch_size_does_not_matter(compiled: Compiled, alone: Processes, batch_size: int) -> None:
    assert evaluator(compiled(), alone, batch_size)(MeanPixel()) == evaluator(compiled(), alone, 4)(MeanPixel())


def test_the_model_itself_agrees_over_batch_sizes(compiled: Compiled, alone: Processes) -> None:
    model = compiled().module().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    one, eleven = (evaluator(compiled(), alone, size)(model) for size in (1, 11))
    assert one.rate_nats_per_dim > 1e-3
    assert one.kl_nats == pytest.approx(eleven.kl_nats, rel=1e-9)
    assert len(one.kl_nats) == model.stochastic_depth
    assert sum(one.kl_nats) == pytest.approx(one.rate_nats_per_dim * one.dimensions, rel=1e-12)
    assert one.rate_nats_per_dim == pytest.approx(eleven.rate_nats_per_dim, rel=1e-12)
    assert one.distortion_nats_per_dim == pytest.approx(eleven.distortion_nats_per_dim, rel=1e-12)


def test_processes_cover_all_images_and_none_twice(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[Tensor] = []

    def keep(_: Processes, values: Tensor) -> Tensor:
        if values.ndim:  # not a flag on which the processes agree
            shares.append(values.clone())
        return values

    whole = evaluator(compiled(), Processes(0, 1, torch.device("cpu")))(MeanPixel())
    monkeypatch.setattr(Processes, "sum", keep)
    for rank in range(3):
        evaluator(compiled(), Processes(rank, 3, torch.device("cpu")))(MeanPixel())
    assert torch.equal((torch.stack(shares)[:, 0] != 0).sum(dim=0), torch.ones(11, dtype=torch.int64))
    means = [whole.distortion_nats_per_dim, whole.rate_nats_per_dim, *whole.kl_nats]
    assert sum(shares).mean(dim=1).tolist() == means  # type: ignore[union-attr]


def test_a_process_without_images_of_its_own_adds_to_the_same_table(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []

    def keep(_: Processes, values: Tensor) -> Tensor:
        if values.ndim:
            shapes.append(tuple(values.shape))
        return values

    monkeypatch.setattr(Processes, "sum", keep)
    for rank in (0, 11):
        evaluator(compiled(), Processes(rank, 12, torch.device("cpu")))(compiled().module().double())
    assert shapes[0] == shapes[1]


def test_values_that_are_not_finite_are_not_left_out(compiled: Compiled, alone: Processes) -> None:
    class OneInfinite(MeanPixel):
        def forward(self, x: Tensor, target: Tensor, noise: Callable[[int, tuple[int, ...]], Tensor]) -> Output:
            out = super().forward(x, target, noise)
            return out._replace(
                distortion_nats_per_dim=out.distortion_nats_per_dim.index_fill(0, torch.tensor(0), math.inf)
            )

    assert evaluator(compiled(), alone)(OneInfinite()).loss_nats_per_dim == math.inf


def test_the_test_set_is_binarized_once(compiled: Compiled, binary: dict[str, object], alone: Processes) -> None:
    program = compiled(binary)
    evaluate = evaluator(program, alone)
    _, first = evaluate.prepared([5, 6])
    _, again = evaluate.prepared([6])
    _, other = evaluator(program, alone, split_seed=1).prepared([5, 6])
    assert set(first.ravel().tolist()) == {0.0, 1.0}
    assert torch.equal(first[1:], again)
    assert not torch.equal(first, other)


def test_the_model_is_left_as_it_was(compiled: Compiled, alone: Processes) -> None:
    model = compiled().module().double()
    evaluator(compiled(), alone)(model)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_units() -> None:
    bound = LikelihoodBound(
        images=2, dimensions=64, distortion_nats_per_dim=math.log(2), rate_nats_per_dim=math.log(2), kl_nats=(64.0,)
    )
    assert bound.bits_per_dim == pytest.approx(2)
    assert bound.nats_per_image == pytest.approx(128 * math.log(2))
    assert bound.to_dict()["loss_nats_per_dim"] == pytest.approx(2 * math.log(2))


def test_a_preparation_from_a_checkpoint_is_the_same(compiled: Compiled, alone: Processes) -> None:
    prepare = evaluator(compiled(), alone).preparation
    assert Preparation.from_dict(prepare.to_dict()) == prepare
