"""`train.freeze` and `train.rates` in training: what moves, what the norm reads, what is saved, and resuming."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl import Program
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.state import TrainState
from hvaedsl_runtime.train.step import TrainingStep
from tests.runtime.equal_states import same
from tests.runtime.train.test_state import PREPARATION
from tests.runtime.train.test_step import batch, given

Compiled = Callable[..., Program]
FROZEN = ("encoder.stem.", "decoder.blocks.r4_0.", "decoder.states.r4")


def made(program: Program) -> TrainState:
    return TrainState.initial(program, PREPARATION, Position(seed=1, dtype="float64"), torch.device("cpu"))


def stepped(program: Program, processes: Processes, steps: int = 5) -> tuple[TrainState, dict[str, torch.Tensor]]:
    """A state after some steps, and the weights before them."""
    state = made(program)
    before = {name: found.detach().clone() for name, found in state.model.named_parameters()}
    step = TrainingStep(state, program.training().for_run(30), processes)
    for number in range(steps):
        step(number + 3, given(*batch(number)))
    return state, before


def test_frozen_weights_stay_and_have_no_optimizer_state(compiled: Compiled, alone: Processes) -> None:
    state, before = stepped(compiled({"train.freeze": "encoder.stem, decoder.r4"}), alone)
    updated = {id(found) for group in state.optimizer.param_groups for found in group["params"]}
    for name, found in state.model.named_parameters():
        is_frozen = name.startswith(FROZEN)
        assert torch.equal(found, before[name]) == is_frozen, name
        assert (found.grad is None) == is_frozen
        assert (id(found) in updated) == (not is_frozen)
    trainable = sum(not name.startswith(FROZEN) for name in before)
    assert len(state.optimizer.state_dict()["state"]) == len(state.trainable) == trainable
    for name, found in state.ema.model.named_parameters():
        assert torch.equal(found, before[name]) or not name.startswith(FROZEN)


def test_the_names_of_the_weights_are_those_of_a_run_without_these_keys(compiled: Compiled) -> None:
    sets = {"train.freeze": "encoder.stem", "train.rates": {"decoder.r8": 0.5}}
    plain, chosen = made(compiled()), made(compiled(sets))
    for part in ("model", "ema"):
        assert same(plain.state_dict()[part], chosen.state_dict()[part])
        assert list(plain.state_dict()[part]) == list(chosen.state_dict()[part])


def test_the_norm_and_the_skip_read_trained_gradients_alone(compiled: Compiled, alone: Processes) -> None:
    program = compiled({"train.freeze": "encoder, decoder.r8"})
    state = made(program)
    result = TrainingStep(state, program.training().for_run(30), alone)(5, given(*batch()))
    gradients = [found.grad for found in state.trainable if found.grad is not None]
    whole = made(compiled())
    whole.model(*batch()).loss_nats_per_dim.backward()
    named = {name: found.grad for name, found in whole.model.named_parameters() if found.grad is not None}
    chosen = program.chosen_weights([name for name, _ in state.model.named_parameters()]).frozen
    expected = math.sqrt(sum(float((grad**2).sum()) for name, grad in named.items() if name not in chosen))
    assert result.gradient_norm == pytest.approx(expected, rel=1e-12)
    assert math.sqrt(sum(float((grad**2).sum()) for grad in gradients)) <= 200
    everything = math.sqrt(sum(float((grad**2).sum()) for grad in named.values()))
    assert expected < 0.99 * everything

    skipping = compiled({"train.freeze": "encoder, decoder.r8", "train.skip_above": (expected + everything) / 2})
    assert TrainingStep(made(skipping), skipping.training().for_run(30), alone)(5, given(*batch())).applied


def test_a_factor_is_one_on_the_learning_rate_and_the_decay(compiled: Compiled, alone: Processes) -> None:
    """The first update of AdamW is lr * sign(gradient), whatever the size of the gradient, after a decay of lr * wd."""
    sets: dict[str, object] = {"train.clip_norm": "none", "train.weight_decay": 0.1, "train.learning_rate": 0.01}
    rates = {"encoder": 0.25, "encoder.stem": 2, "decoder.blocks": 0.5}
    plain, before = stepped(compiled(sets), alone, steps=1)
    rated, _ = stepped(compiled(sets | {"train.rates": rates}), alone, steps=1)
    moved = dict(rated.model.named_parameters())
    for name, found in plain.model.named_parameters():
        longest = max((prefix for prefix in rates if name.startswith(f"{prefix}.")), key=len, default="")
        expected = (found - before[name]) * rates.get(longest, 1)
        torch.testing.assert_close(moved[name] - before[name], expected, rtol=1e-6, atol=1e-12)


def test_the_optimizer_numbers_the_parameters_in_the_order_of_the_model(compiled: Compiled) -> None:
    state = made(compiled({"train.rates": {"decoder.r4": 0.5, "likelihood": 2}}))
    numbered = [found for group in state.optimizer.param_groups for found in group["params"]]
    assert [id(found) for found in numbered] == [id(found) for found in state.model.parameters()]
    assert len(state.optimizer.param_groups) > len(state.optimizer.segments)
    assert [segment.factor for segment in state.optimizer.segments] == [0.5, 1.0, 2.0]
    assert len(made(compiled()).optimizer.param_groups) == 1


def test_rates_of_1_are_training_without_them(compiled: Compiled, alone: Processes) -> None:
    plain, _ = stepped(compiled(), alone)
    ones, _ = stepped(compiled({"train.rates": {"encoder": 1, "decoder.r8": 1}}), alone)
    assert same(plain.state_dict(), ones.state_dict())


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(
    compiled: Compiled, tmp_path: Path, curve: Callable[[Path], list[dict[str, Any]]]
) -> None:
    sets = {"train.freeze": "encoder.stem, decoder.r4", "train.rates": {"decoder.r8": 0.5, "encoder.r8": 3}}
    train(compiled(sets), RunSettings(out=tmp_path / "whole", device="cpu"))
    train(compiled(sets | {"train.steps": 8}), RunSettings(out=tmp_path / "parts", device="cpu"))
    train(compiled(sets), RunSettings(out=tmp_path / "parts", device="cpu", resume=True))
    whole, parts = (load_checkpoint(RunFolder(tmp_path / name).checkpoint) for name in ("whole", "parts"))
    for part in ("model", "ema", "optimizer"):
        assert same(whole[part], parts[part])
    both = [[line for line in curve(tmp_path / name) if line["split"] == "train"] for name in ("whole", "parts")]
    assert both[0] == both[1]
