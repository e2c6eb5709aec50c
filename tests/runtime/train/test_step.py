from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hvaedsl import Program
from hvaedsl.lowering.module import Noise
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.heartbeat import current
from hvaedsl_runtime.model import autocast, set_matrix_precision
from hvaedsl_runtime.noise import seeded_generator
from hvaedsl_runtime.train.batches import MicroBatch, StepImages
from hvaedsl_runtime.train.flat import FlatLayout, is_applied
from hvaedsl_runtime.train.gradients import Gradients
from hvaedsl_runtime.train.state import TrainState
from hvaedsl_runtime.train.step import StepResult, TrainingStep

Compiled = Callable[..., Program]


def make(program: Program, processes: Processes) -> TrainingStep:
    return TrainingStep(make_state(program, torch.float64), program.training().for_run(30), processes)


def make_state(program: Program, dtype: torch.dtype) -> TrainState:
    torch.manual_seed(1)
    return TrainState(program.module().to(dtype), program.without_gradient, program.training(), None, Position())


def given(x: Tensor, target: Tensor, noise: Noise) -> StepImages:
    """A step with these images, however it is split."""
    return lambda _: iter([MicroBatch(x, target, noise)])


def drawn(dtype: torch.dtype, seed: int = 0) -> Noise:
    """Noise for any model, a stream for each layer."""
    cpu = torch.device("cpu")
    return lambda layer, shape: torch.randn(shape, generator=seeded_generator(cpu, seed, layer), dtype=dtype)


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Noise]:
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 17, (4, 8, 8, 1), generator=generator).double()
    return levels / 5 - 1.6, levels / 8 - 1, drawn(torch.float64, seed)


def weights(step: TrainingStep) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in step.state.model.parameters()]


@pytest.mark.parametrize(
    ("norm", "skip_above", "applied"),
    [
        (1.0, None, True),
        (99.9, 100.0, True),
        (100.0, 100.0, False),
        (100.1, 100.0, False),
        (math.inf, None, False),
        (math.nan, None, False),
        (math.nan, 100.0, False),
    ],
)
def test_applied_only_below_the_threshold(norm: float, skip_above: float | None, applied: bool) -> None:
    assert is_applied(torch.tensor(norm, dtype=torch.float64), skip_above).item() is applied


def test_the_norm_is_that_of_all_gradients_before_clipping(compiled: Compiled, alone: Processes) -> None:
    step = make(compiled({"train.clip_norm": 1e-3}), alone)
    result = step(5, given(*batch()))
    reference = make(compiled(), alone)
    out = reference.state.model(*batch())
    out.loss_nats_per_dim.backward()
    expected = math.sqrt(
        sum(float((p.grad**2).sum()) for p in reference.state.model.parameters() if p.grad is not None)
    )
    assert result.gradient_norm == pytest.approx(expected, rel=1e-12)
    assert result.loss_nats_per_dim == pytest.approx(out.loss_nats_per_dim.item(), rel=1e-12)
    clipped = math.sqrt(sum(float((p.grad**2).sum()) for p in step.state.model.parameters() if p.grad is not None))
    assert clipped == pytest.approx(1e-3, rel=1e-3)


def test_every_forward_pass_is_a_beat(compiled: Compiled, alone: Processes) -> None:
    step = make(compiled(), alone)
    x, target, noise = batch()
    beats: list[int] = []

    def images(_: int) -> Iterator[MicroBatch]:
        for _ in range(3):
            beats.append(current().number)
            yield MicroBatch(x, target, noise)
        beats.append(current().number)

    step(5, images)
    assert [after - before for before, after in itertools.pairwise(beats)] == [1, 1, 1]
    assert current().phase == "training"


def test_the_sum_of_the_gradients_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the sum is started at once, and waited for where the first of its numbers is read."""
    layer = nn.Linear(2, 1, bias=False)
    gradients = Gradients(layer, FlatLayout.of(layer, {}), Processes(0, 2, torch.device("cpu")))
    layer.weight.grad = torch.ones(1, 2)
    waits: list[bool] = []
    item = Tensor.item

    def noted(tensor: Tensor) -> Any:
        waits.append(current().is_waiting)
        return item(tensor)

    monkeypatch.setattr(dist, "all_reduce", lambda *_: waits.append(current().is_waiting))
    monkeypatch.setattr(Tensor, "item", noted)
    gradients.sum(torch.zeros(3))
    assert waits == [True, True, True]  # the third agrees, once, on the parameters that have no gradient
    assert not current().is_waiting


def test_updates_are_adamw_with_the_warmed_up_rate(compiled: Compiled, alone: Processes) -> None:
    sets = {
        "train.learning_rate": 0.01,
        "train.weight_decay": 0.1,
        "train.betas": "0.8, 0.95",
        "train.clip_norm": "none",
    }
    program = compiled(sets)
    step = make(program, alone)
    values = [w.numpy().copy() for w in weights(step)]
    first = [v * 0 for v in values]
    second = [v * 0 for v in values]
    rates = [0.0, 0.01 / 3, 0.02 / 3, 0.01, 0.01]
    for t, rate in enumerate(rates, 1):
        result = step(t - 1, given(*batch(t)))
        assert result.learning_rate == pytest.approx(rate, rel=1e-12)
        gradients = [p.grad.numpy() for p in step.state.model.parameters() if p.grad is not None]
        for i, g in enumerate(gradients):
            first[i] = 0.8 * first[i] + 0.2 * g
            second[i] = 0.95 * second[i] + 0.05 * g**2
            values[i] = values[i] * (1 - rate * 0.1)
            corrected = first[i] / (1 - 0.8**t), second[i] / (1 - 0.95**t)
            values[i] = values[i] - rate * corrected[0] / (corrected[1] ** 0.5 + 1e-8)
    for actual, expected in zip(weights(step), values, strict=True):
        torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=1e-9, atol=1e-12)


def test_a_skipped_update_changes_neither_weights_nor_average_nor_moments(compiled: Compiled, alone: Processes) -> None:
    step = make(compiled({"train.skip_above": 1e-6}), alone)
    before = weights(step)
    averaged = [p.clone() for p in step.state.ema.model.parameters()]
    result = step(5, given(*batch()))
    assert not result.applied
    assert result.gradient_norm > 1e-6
    assert all(map(torch.equal, weights(step), before))
    assert all(map(torch.equal, step.state.ema.model.parameters(), averaged))
    assert not step.state.optimizer.state_dict()["state"]


def test_the_average_follows_applied_updates_from_the_initial_weights(compiled: Compiled, alone: Processes) -> None:
    step = make(compiled({"train.ema_decay": 0.9}), alone)
    expected = weights(step)
    for i in range(1, 5):
        step(i, given(*batch(i)))
        expected = [0.9 * average + 0.1 * weight for average, weight in zip(expected, weights(step), strict=True)]
    for actual, average in zip(step.state.ema.model.parameters(), expected, strict=True):
        torch.testing.assert_close(actual, average, rtol=1e-12, atol=1e-15)
    moved = [not torch.equal(a, b) for a, b in zip(step.state.ema.model.parameters(), weights(step), strict=True)]
    assert any(moved)


def test_a_gradient_that_is_not_finite_is_skipped(compiled: Compiled, alone: Processes) -> None:
    step = make(compiled(), alone)
    before = weights(step)
    x, target, noise = batch()
    x[0, 0, 0, 0] = math.nan
    result = step(5, given(x, target, noise))
    assert not result.applied
    assert math.isnan(result.gradient_norm)
    assert all(map(torch.equal, weights(step), before))
    assert step(6, given(*batch())).applied


def test_parameters_without_gradient_are_left_alone(
    compiled: Compiled, binary: dict[str, object], alone: Processes
) -> None:
    program = compiled(binary)
    assert program.without_gradient
    step = make(program, alone)
    unreached = {name: step.state.model.get_parameter(name).clone() for name in program.without_gradient}
    x, target, noise = batch()
    step(5, given(x, (target > 0).double(), noise))
    assert all(torch.equal(step.state.model.get_parameter(name), before) for name, before in unreached.items())
    reached = {id(p) for group in step.state.optimizer.param_groups for p in group["params"]}
    assert all(id(step.state.model.get_parameter(name)) not in reached for name in program.without_gradient)


def test_training_lowers_the_loss(compiled: Compiled, alone: Processes) -> None:
    step = make(compiled({"train.learning_rate": 0.01}), alone)
    results: list[StepResult] = [step(i, given(*batch())) for i in range(60)]
    assert results[-1].loss_nats_per_dim < 0.9 * results[0].loss_nats_per_dim
    assert all(r.loss_nats_per_dim == pytest.approx(r.distortion_nats_per_dim + r.rate_nats_per_dim) for r in results)


def test_bfloat16_trains_float32_weights(compiled: Compiled, alone: Processes) -> None:
    program = compiled({"train.precision": "bfloat16"})
    step = TrainingStep(make_state(program, torch.float32), program.training().for_run(30), alone)
    x, target, _ = batch()
    noise = drawn(torch.float32)
    result = step(5, given(x.float(), target.float(), noise))
    exact = make(compiled(), alone)(5, given(x, target, lambda layer, shape: noise(layer, shape).double()))
    assert result.applied
    assert result.loss_nats_per_dim == pytest.approx(exact.loss_nats_per_dim, rel=0.02)
    assert result.loss_nats_per_dim != pytest.approx(exact.loss_nats_per_dim, rel=1e-6)
    assert {parameter.dtype for parameter in step.state.model.parameters()} == {torch.float32}


def test_precision_flags() -> None:
    set_matrix_precision("tf32")
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("high", True)
    set_matrix_precision("float32")
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("highest", False)
    with autocast("float32", torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
