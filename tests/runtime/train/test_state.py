"""TrainState: what is saved is what it holds, and a restored state is the one that was saved."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl import Program
from hvaedsl.diagnostics.errors import DamagedRun
from hvaedsl_runtime.data import Preparation
from hvaedsl_runtime.disk.checkpoint import load_checkpoint, save_checkpoint
from hvaedsl_runtime.disk.state_parts import Counters, PartError, Position
from hvaedsl_runtime.noise import NOISE_VERSION
from hvaedsl_runtime.train.state import TrainState
from tests.runtime.equal_states import same

Compiled = Callable[..., Program]
PREPARATION = Preparation(shift=-8.0, scale=0.25, levels=17, binarize="none", bits=None)


def initial(program: Program, seed: int = 0, preparation: Preparation | None = PREPARATION) -> TrainState:
    return TrainState.initial(program, preparation, Position(seed=seed), torch.device("cpu"))


def advanced(program: Program) -> TrainState:
    """A state after three steps, of which the second was skipped: no two of its parts are what they were."""
    state = initial(program)
    for applied in (True, False, True):
        if applied:
            gradients = torch.linspace(-2.5, 2.5, state.layout.trained_size) + state.step
            state.optimizer.step(gradients, 1e-3, torch.tensor(applied))
            state.ema.update(state.weights, torch.tensor(applied))
            state.ema.updates += 1
        state.record_step(applied=applied, seconds=0.5)
    return state


@pytest.fixture
def program(module_program: Program) -> Program:
    return module_program


def test_a_restored_state_is_the_one_that_was_saved(program: Program, tmp_path: Path) -> None:
    state = advanced(program)
    saved = copy.deepcopy(state.state_dict())
    save_checkpoint(tmp_path / "checkpoint", program.resolved_text(), state.state_dict())
    other = initial(program, seed=9, preparation=None)
    assert not same(other.model.state_dict(), saved["model"])
    load_checkpoint(tmp_path / "checkpoint").restore(other)
    assert same(other.state_dict(), saved)
    assert list(other.state_dict()) == list(state.parts)
    assert (other.step, other.ema.updates, other.position.seed) == (3, 2, 0)
    assert (other.counters.skipped_updates, other.counters.wall_seconds) == (1, 1.5)
    assert other.preparation == PREPARATION


def test_what_is_saved_is_what_it_holds(program: Program) -> None:
    state = advanced(program)
    saved = state.state_dict()
    assert saved["averaging"] == {"updates": 2}
    assert saved["position"] == {
        "seed": 0,
        "step": 3,
        "world_size": 1,
        "dtype": "float32",
        "micro_batch": 0,
        "noise": NOISE_VERSION,
    }
    assert saved["counters"] == {"skipped_updates": 1, "skipped_in_a_row": 0, "wall_seconds": 1.5}
    assert saved["preparation"] == PREPARATION.to_dict()
    assert saved["versions"]["torch"] == torch.__version__
    for kind, model in state.models.items():
        assert same(saved["model" if kind == "raw" else kind], model.state_dict())
    assert not same(saved["model"], saved["ema"])
    assert saved["optimizer"]["state"][0]["step"] == 2


def test_a_new_part_is_saved_and_restored(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = vars(TrainState)["parts"].fget

    def with_one_more(self: TrainState) -> dict[str, Any]:
        return {**parts(self), "restarts": vars(self).setdefault("restarts", Counters())}

    monkeypatch.setattr(TrainState, "parts", property(with_one_more))
    state = advanced(program)
    state.parts["restarts"].record(applied=False, seconds=2.0)  # type: ignore[attr-defined]  # Counters
    other = initial(program)
    other.load_state_dict(copy.deepcopy(state.state_dict()))
    assert vars(other)["restarts"].skipped_in_a_row == 1


@pytest.mark.parametrize(
    "name", ["model", "ema", "averaging", "optimizer", "position", "counters", "preparation", "versions"]
)
def test_a_missing_part_is_named(program: Program, name: str) -> None:
    saved = advanced(program).state_dict()
    del saved[name]
    with pytest.raises(PartError, match=f"^`{name}` is missing$"):
        initial(program).load_state_dict(saved)


def test_the_error_of_a_restored_checkpoint_names_its_file(program: Program, tmp_path: Path) -> None:
    saved = advanced(program).state_dict()
    del saved["averaging"]
    save_checkpoint(tmp_path / "checkpoint", program.resolved_text(), saved)
    with pytest.raises(
        DamagedRun, match=r"checkpoint: the checkpoint cannot be used: `averaging` is missing"
    ) as caught:
        load_checkpoint(tmp_path / "checkpoint").restore(initial(program))
    assert "--out" in caught.value.help


def test_a_part_that_does_not_fit_is_named(program: Program, compiled: Compiled) -> None:
    saved = advanced(program).state_dict()
    with pytest.raises(PartError, match=r"^`model` does not fit this run: .*size mismatch"):
        initial(compiled({"model.width": 4})).load_state_dict(saved)
    for part, field in (("counters", "wall_seconds"), ("averaging", "updates"), ("preparation", "shift")):
        spoiled = copy.deepcopy(saved)
        del spoiled[part][field]
        with pytest.raises(PartError, match=f"^`{part}` does not fit this run: .*{field}"):
            initial(program).load_state_dict(spoiled)
    with pytest.raises(PartError, match=r"^`optimizer` does not fit this run"):
        initial(program).load_state_dict({**saved, "optimizer": {"state": {}, "param_groups": []}})


def test_unknown_parts_and_fields_are_logged(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    saved = copy.deepcopy(advanced(program).state_dict())
    saved["grokking"] = {}
    for part in ("counters", "position", "preparation"):
        saved[part]["later"] = 1
    state = initial(program)
    state.load_state_dict(saved)
    assert state.step == 3
    for place in ("checkpoint: ignoring unknown fields: grokking", "counters: ignoring unknown fields: later"):
        assert place in caplog.text
    assert "position: ignoring unknown fields: later" in caplog.text
    assert "preparation: ignoring unknown fields: later" in caplog.text
    assert "grokking" not in state.state_dict()


def test_other_versions_are_logged_and_replaced(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    saved = copy.deepcopy(advanced(program).state_dict())
    state = initial(program)
    with caplog.at_level(logging.INFO, logger="hvaedsl_runtime"):
        state.load_state_dict(saved)
        assert "was written by" not in caplog.text
        saved["versions"]["torch"] = "1.0"
        state.load_state_dict(saved)
    assert f"was written by torch 1.0; this is {torch.__version__}" in caplog.text
    assert state.state_dict()["versions"]["torch"] == torch.__version__


def test_skips_are_counted_in_all_and_consecutively() -> None:
    counters = Counters()
    seen = []
    for applied in (False, False, True, False):
        counters.record(applied=applied, seconds=0.25)
        seen.append((counters.skipped_updates, counters.skipped_in_a_row, counters.wall_seconds))
    assert seen == [(1, 1, 0.25), (2, 2, 0.5), (2, 0, 0.75), (3, 1, 1.0)]


def test_a_preparation_is_given_or_restored_before_it_is_used(program: Program) -> None:
    state = initial(program, preparation=None)
    with pytest.raises(RuntimeError, match="neither given nor restored"):
        _ = state.preparation


def test_the_type_of_the_weights_is_that_of_the_position(program: Program) -> None:
    state = TrainState.initial(program, PREPARATION, Position(dtype="float64"), torch.device("cpu"))
    assert {parameter.dtype for model in state.models.values() for parameter in model.parameters()} == {torch.float64}
