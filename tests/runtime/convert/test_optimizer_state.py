"""The optimizer's state in a conversion: its moments are kept, and a state that does not fit is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hvaedsl
from hvaedsl.diagnostics.errors import RunError
from hvaedsl.lowering.names import published_parameters
from hvaedsl_runtime.convert.optimizer_state import restore_published
from hvaedsl_runtime.data import Preparation
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train.state import TrainState
from tests.runtime.convert.state_dicts import published, save

Command = Callable[..., tuple[object, str, str]]


def test_the_published_optimizer_continues_where_it_stopped(tmp_path: Path, command: Command, small: Path) -> None:
    """One more update of the published model, under the published numbering, and of the converted run."""
    program = hvaedsl.load(small, sets={"train.betas": "0.9, 0.9"})
    theirs = {name: torch.nn.Parameter(value) for name, value in published(program, 1).items()}
    optimizer = torch.optim.AdamW(theirs.values(), lr=1e-3, betas=(0.9, 0.9), weight_decay=0.01, fused=True)
    gradients = [published(program, seed) for seed in (2, 3, 4)]
    for gradient in gradients[:2]:
        for name, parameter in theirs.items():
            parameter.grad = gradient[name]
        optimizer.step()
    raw = save(tmp_path / "iter-2-model.th", {name: parameter.detach().clone() for name, parameter in theirs.items()})
    state = optimizer.state_dict()
    torch.save(as_apex_saves(state), tmp_path / "apex-opt.th")
    torch.save(state, tmp_path / "torch-opt.th")
    for name, parameter in theirs.items():
        parameter.grad = gradients[2][name]
    optimizer.step()
    for kind in ("apex", "torch"):
        out = tmp_path / kind
        code, said, err = command(
            "convert", small, "--from", raw, "--out", out, "--trained-on", "cifar10",
            "--optimizer", tmp_path / f"{kind}-opt.th",
        )  # fmt: skip
        assert code == 0, err
        assert f"moments of {len(theirs)} parameters after 2 updates" in said
        model = FinishedRun.open(out, "cpu").model("raw")
        ours = torch.optim.AdamW(model.parameters())
        ours.load_state_dict(load_checkpoint(RunFolder(out).checkpoint)["optimizer"])
        for name, own in published_parameters(program.bridge).items():
            model.get_parameter(own).grad = gradients[2][name]
        ours.step()
        assert all(torch.equal(value, theirs[name]) for name, value in model.vdvae_state_dict().items())
        code, _, err = command("train", out / "spec.hvae", "--out", out, "--resume", "--device", "cpu")
        assert code == 0, err


def as_apex_saves(state: dict[str, Any]) -> dict[str, Any]:
    """FusedAdam's form: the number of updates is in the group."""
    moments = {
        number: {key: value for key, value in item.items() if key != "step"} for number, item in state["state"].items()
    }
    group = {
        "lr": 1e-3, "betas": (0.9, 0.9), "eps": 1e-8, "weight_decay": 0.01, "bias_correction": True,
        "initial_lr": 1e-3, "step": 2, "params": state["param_groups"][0]["params"],
    }  # fmt: skip
    return {"state": moments, "param_groups": [group]}


def test_an_optimizer_that_does_not_fit_is_refused(tmp_path: Path, command: Command, small: Path, shared: Path) -> None:
    program = hvaedsl.load(small)
    state_dict = published(program, 1)
    raw = save(tmp_path / "model.th", state_dict)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(value) for value in state_dict.values()])
    whole = optimizer.state_dict()
    other_moments = {0: {"exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3), "step": torch.tensor(1.0)}}
    first = next(iter(state_dict.values()))
    zeros = {"exp_avg": torch.zeros_like(first), "exp_avg_sq": torch.zeros_like(first)}
    spoiled = torch.full_like(first, torch.nan)
    cases: list[tuple[Path, object, str]] = [
        (small, state_dict, "not the state of an optimizer"),
        (small, {"state": {}, "param_groups": [{"params": [0, 1]}]}, "has the state of 2 parameters"),
        (small, {**whole, "state": other_moments}, "exp_avg is [3]"),
        (small, {**whole, "state": {0: {"momentum_buffer": torch.zeros(3)}}}, "momentum_buffer"),
        (small, {**whole, "state": {0: zeros}}, "number of updates is None"),
        (
            small,
            {**whole, "state": {0: {**zeros, "exp_avg": spoiled, "step": torch.tensor(1.0)}}},
            "`exp_avg` is NaN in",
        ),
        (small, {**whole, "state": {0: {**zeros, "step": torch.tensor(0.5)}}}, "number of updates"),
        (shared, whole, "shares no weights"),
    ]
    for spec, content, words in cases:
        torch.save(content, tmp_path / "opt.th")
        weights = raw if spec == small else save(tmp_path / "s.th", published(hvaedsl.load(spec), 1))
        code, _, err = command(
            "convert", spec, "--from", weights, "--optimizer", tmp_path / "opt.th",
            "--out", tmp_path / "run", "--trained-on", "cifar10",
        )  # fmt: skip
        assert code == 5, err
        assert words in err
        assert "Traceback" not in err
        assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore")  # about quantized tensors
def test_values_that_are_no_moments_are_refused(tmp_path: Path, small: Path) -> None:
    program = hvaedsl.load(small)
    state_dict = published(program, 1)
    count, first = len(state_dict), next(iter(state_dict.values()))
    preparation = Preparation(shift=0.0, scale=1.0, levels=256, binarize="none", bits=None)
    state = TrainState.initial(program, preparation, Position(0, 0, 1, "float32"), torch.device("cpu"))
    zeros = {"exp_avg": torch.zeros_like(first), "exp_avg_sq": torch.zeros_like(first), "step": torch.tensor(1.0)}

    def refused(params: object = None, **changed: object) -> str:
        params = list(range(count)) if params is None else params
        torch.save({"state": {0: zeros | changed}, "param_groups": [{"params": params}]}, tmp_path / "opt.th")
        with pytest.raises(RunError) as caught:
            restore_published(program, state, tmp_path / "opt.th")
        assert "--optimizer" in caught.value.help
        return str(caught.value)

    for value, says in (
        (torch.zeros_like(first, device="meta"), "exp_avg is on the device meta"),
        (torch.zeros_like(first).to_sparse(), "exp_avg is sparse"),
        (torch.zeros_like(first, dtype=torch.complex64), "exp_avg is torch.complex64"),
        (torch.quantize_per_tensor(first, 1, 0, torch.qint8), "exp_avg is quantized"),
    ):
        assert says in refused(exp_avg=value)
    for step in (torch.ones(2), torch.ones((), device="meta"), torch.tensor(1 + 2j), 10**400, "1"):
        assert "the number of updates is" in refused(step=step)
    for params in ("x" * count, [[0]] * count, ["x"] * count):
        assert "not the state of an optimizer" in refused(params)


def test_settings_in_tensors_are_compared(tmp_path: Path, small: Path) -> None:
    program = hvaedsl.load(small)
    preparation = Preparation(shift=0.0, scale=1.0, levels=256, binarize="none", bits=None)
    state = TrainState.initial(program, preparation, Position(0, 0, 1, "float32"), torch.device("cpu"))
    numbers = list(range(len(published(program, 1))))
    group = {"params": numbers, "lr": torch.tensor([1.0, 2.0]), "eps": torch.tensor(0.5)}
    torch.save({"state": {}, "param_groups": [group]}, tmp_path / "opt.th")
    differences = restore_published(program, state, tmp_path / "opt.th").differences
    assert differences == (
        "eps is 0.5 in the optimizer's file and 1e-08 here",
        "train.learning_rate is (1.0, 2.0) in the optimizer's file and 0.001 here",
    )


def test_differing_settings_of_the_optimizer_are_reported(tmp_path: Path, command: Command, small: Path) -> None:
    state_dict = published(hvaedsl.load(small), 1)
    parameters = [torch.nn.Parameter(value) for value in state_dict.values()]
    torch.save(torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.0).state_dict(), tmp_path / "opt.th")
    code, said, err = command(
        "convert", small, "--from", save(tmp_path / "model.th", state_dict), "--optimizer", tmp_path / "opt.th",
        "--out", tmp_path / "run", "--trained-on", "cifar10",
    )  # fmt: skip
    assert code == 0, err
    for setting in ("betas", "weight_decay is 0.0", "learning_rate is 0.002"):
        assert f"train.{setting}" in said
