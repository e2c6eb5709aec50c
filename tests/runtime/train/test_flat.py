"""The flat buffers: the step's tail computes what torch's functions compute on the parameters one by one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from hvaedsl import Program
from hvaedsl.ir.training import TrainingSpec
from hvaedsl_runtime.disk.state_parts import PartError
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.train.adamw import ADAMW_EPS, FlatAdamW
from hvaedsl_runtime.train.ema import ExponentialMovingAverage
from hvaedsl_runtime.train.flat import ROW, FlatLayout, check_flat, clip_to_norm_, flatten, norm_of
from hvaedsl_runtime.train.gradients import Gradients

Compiled = Callable[..., Program]
FACTORS = {"0.weight": 0.5, "4.weight": 2.0, "4.bias": 2.0}
YES = torch.tensor(True)


class Flat:
    """A small model in flat buffers, with everything that the tail of a step changes."""

    def __init__(self, training: TrainingSpec, factors: dict[str, float] | None = None) -> None:
        self.model = network()
        self.layout = FlatLayout.of(self.model, factors or {})
        self.weights = flatten(self.model, self.layout)
        self.ema = ExponentialMovingAverage(self.model, self.layout, 0.9)
        self.optimizer = FlatAdamW(self.model, self.layout, self.weights, training)
        self.gradients = Gradients(self.model, self.layout, Processes(0, 1, torch.device("cpu")))

    def step(self, x: Tensor, clip: float = math.inf, applied: Tensor = YES) -> Tensor:
        """Forward, backward and the tail; the gradient norm before clipping."""
        self.gradients.clear()
        loss(self.model, x).backward()  # type: ignore[no-untyped-call]  # torch's
        self.gradients.sum(torch.zeros(3))
        self.optimizer.leave_out(self.gradients.unreached)
        norm = norm_of(self.gradients.values)
        clip_to_norm_(self.gradients.values, norm, clip)
        self.optimizer.step(self.gradients.values, 1e-2, applied)
        self.ema.update(self.weights, applied)
        return norm

    def buffers(self) -> list[Tensor]:
        """Copies of all that the tail may change."""
        updates = [segment.updates for segment in self.optimizer.segments]
        return [item.clone() for item in (self.weights, self.ema.values, *self.optimizer.moments.values(), *updates)]


def network() -> nn.Sequential:
    """Layers of odd sizes in float64, one of which is frozen."""
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.GELU(), nn.Conv2d(5, 7, 1), nn.Flatten(), nn.Linear(7 * 9, 3), nn.Linear(3, 3)
    )
    made[2].bias.requires_grad_(False)
    return made.double()


def images(seed: int) -> Tensor:
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss(model: nn.Module, x: Tensor) -> Tensor:
    squares: Tensor = model(x).square().mean()
    return squares


@pytest.fixture
def training(compiled: Compiled) -> TrainingSpec:
    return compiled({"train.weight_decay": 0.1, "train.betas": "0.8, 0.95"}).training()


def one_by_one(model: nn.Module, training: TrainingSpec, factors: dict[str, float]) -> torch.optim.AdamW:
    """torch's loop over the parameters."""
    groups = [
        {"params": [parameter], "lr": 1e-2 * factors.get(name, 1.0)}
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]
    options = {"betas": training.betas, "eps": ADAMW_EPS, "weight_decay": training.weight_decay}
    return torch.optim.AdamW(groups, foreach=False, fused=False, **options)  # type: ignore[arg-type]  # as torch takes it


@pytest.mark.parametrize("factors", [{}, FACTORS])
def test_it_computes_what_torch_does_one_by_one(training: TrainingSpec, factors: dict[str, float]) -> None:
    flat, plain = Flat(training, factors), network()
    average = copy.deepcopy(plain)
    optimizer = one_by_one(plain, training, factors)
    for seed in range(8):
        norm = flat.step(images(seed), clip=0.05)
        optimizer.zero_grad()
        loss(plain, images(seed)).backward()  # type: ignore[no-untyped-call]  # torch's
        expected = clip_grad_norm_(plain.parameters(), 0.05)
        optimizer.step()
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), plain.parameters(), strict=True):
                mean.mul_(0.9).add_(parameter, alpha=1 - 0.9)
        torch.testing.assert_close(norm, expected, rtol=1e-12, atol=0)
        assert norm > 0.05

    for ours, theirs in ((flat.model, plain), (flat.ema.model, average)):
        for actual, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(actual, wanted, rtol=1e-12, atol=1e-15)
    frozen = flat.model.get_parameter("2.bias")
    assert torch.equal(frozen, network().get_parameter("2.bias"))


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_skipped_update_leaves_every_bit(training: TrainingSpec, value: float | None) -> None:
    flat = Flat(training, FACTORS)
    flat.step(images(0))
    before = flat.buffers()
    x = images(1)
    if value is not None:
        x[0, 0, 0, 0] = value
    flat.step(x, clip=0.05, applied=torch.tensor(False))
    assert all(map(torch.equal, flat.buffers(), before))
    flat.step(images(2))
    assert not any(map(torch.equal, flat.buffers(), before))


@pytest.mark.parametrize("length", [1, ROW - 1, ROW, 3 * ROW + 5])
def test_the_norm_of_any_length(length: int) -> None:
    values = torch.randn(length, dtype=torch.float64, generator=torch.Generator().manual_seed(length))
    assert norm_of(values).item() == pytest.approx(math.sqrt(float(values.square().sum())), rel=1e-14)


def test_the_norm_of_as_many_numbers_as_a_model_has() -> None:
    values = torch.randn(39_145_700, generator=torch.Generator().manual_seed(0)) * 1e-3
    exact = values.double().square().sum().sqrt().item()
    assert norm_of(values).item() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_makes_the_norm_so(value: float) -> None:
    for place in (0, ROW, ROW + 3):
        values = torch.ones(ROW + 4)
        values[place] = value
        assert not norm_of(values).isfinite()


def test_the_state_is_that_of_torch_and_goes_there_and_back(training: TrainingSpec) -> None:
    flat, plain = Flat(training), network()
    optimizer = torch.optim.AdamW([found for found in plain.parameters() if found.requires_grad])
    assert flat.optimizer.state_dict()["state"] == {}
    flat.step(images(0))
    plain.load_state_dict(flat.model.state_dict())
    optimizer.load_state_dict(copy.deepcopy(flat.optimizer.state_dict()))
    optimizer.param_groups[0].update(lr=1e-2, fused=None, foreach=False)
    for seed in range(1, 4):
        flat.step(images(seed))
        optimizer.zero_grad()
        loss(plain, images(seed)).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
    for actual, wanted in zip(flat.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-12, atol=1e-15)

    other = Flat(training)
    other.optimizer.load_state_dict(optimizer.state_dict())
    other.model.load_state_dict(plain.state_dict())
    other.step(images(9))
    flat.step(images(9))
    torch.testing.assert_close(other.weights, flat.weights, rtol=1e-12, atol=1e-15)


def test_parameters_without_moments_start_from_zero(training: TrainingSpec) -> None:
    """As torch counts the updates of each parameter: the moments of the others are further from their start."""
    flat, plain = Flat(training), network()
    optimizer = torch.optim.AdamW([found for found in plain.parameters() if found.requires_grad])
    for seed in range(3):
        flat.step(images(seed))
    saved = copy.deepcopy(flat.optimizer.state_dict())
    del saved["state"][2], saved["state"][3]
    flat.optimizer.load_state_dict(copy.deepcopy(saved))
    assert len(flat.optimizer.segments) == 3
    plain.load_state_dict(flat.model.state_dict())
    optimizer.load_state_dict(saved)
    optimizer.param_groups[0].update(lr=1e-2, fused=None, foreach=False)
    flat.step(images(5))
    loss(plain, images(5)).backward()  # type: ignore[no-untyped-call]  # torch's
    optimizer.step()
    for actual, wanted in zip(flat.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-12, atol=1e-15)


def test_moments_of_another_shape_are_refused(training: TrainingSpec) -> None:
    flat = Flat(training)
    flat.step(images(0))
    saved = copy.deepcopy(flat.optimizer.state_dict())
    saved["state"][1]["exp_avg"] = torch.zeros(1, dtype=torch.float64)
    with pytest.raises(PartError, match=r"exp_avg of 0.bias has shape \[1\], not \[5\]"):
        flat.optimizer.load_state_dict(saved)


def test_a_parameter_that_no_gradient_reaches_is_left_alone(training: TrainingSpec) -> None:
    """The decay of AdamW would shrink it; torch's optimizer leaves out parameters without a gradient too."""
    flat = Flat(training)
    before = flat.model.get_parameter("5.weight").detach().clone()
    del flat.model[5]  # the layer is not applied, and its parameters are still in the buffers
    for seed in range(3):
        flat.step(images(seed))
    assert flat.gradients.unreached == {"5.weight", "5.bias"}
    views = flat.layout.views(flat.weights)
    assert torch.equal(views["5.weight"], before)
    assert not torch.equal(views["4.weight"], network().get_parameter("4.weight"))
    assert sorted(flat.optimizer.state_dict()["state"]) == [0, 1, 2, 3, 4]


def test_a_model_that_was_moved_is_noticed(training: TrainingSpec) -> None:
    flat = Flat(training)
    check_flat(flat.model, flat.layout, flat.weights)
    flat.model.float()
    with pytest.raises(RuntimeError, match="moved out of the buffer"):
        check_flat(flat.model, flat.layout, flat.weights)


def test_integers_stay_outside(training: TrainingSpec) -> None:
    model = network()
    model.register_parameter("table", nn.Parameter(torch.arange(5), requires_grad=False))
    layout = FlatLayout.of(model, {})
    flatten(model, layout)
    assert "table" not in {place.name for place in (*layout.trained, *layout.fixed)}
    assert torch.equal(model.get_parameter("table"), torch.arange(5))
    assert all(place.start % 8 == 0 for place in (*layout.trained, *layout.fixed))
    assert [place.name for place in layout.fixed] == ["2.bias"]
    assert training.weight_decay == 0.1
