"""The optimizer's state in a conversion: its moments are kept, and a state that does not fit is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import hvaedsl
from hvaedsl.diagnostics.errors import RunError
from hvaedsl.lowering.names import published_parameters
from hvaedsl_runtime.convert.optimizer_state import OptimizerSummary, restore_optimizer
from hvaedsl_runtime.convert.weight_names import NamesInFile
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
        model = FinishedRun.open(out, "cpu").model("raw").store_in(torch.contiguous_format)
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
        (small, {"state": {}, "param_groups": [{"params": []}]}, "has the state of 0 parameters"),
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
            restore_optimizer(program, state, tmp_path / "opt.th", "published")
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
    differences = restore_optimizer(program, state, tmp_path / "opt.th", "published").differences
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


class Trained:
    """A module of hvaedsl after an update of AdamW with its parameters in `groups`, and what the state is saved as."""

    def __init__(self, spec: Path, groups: Callable[[dict[str, nn.Parameter]], Any]) -> None:
        self.program = hvaedsl.load(spec)
        self.module = self.program.module()
        self.weights = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        parameters = dict(self.module.named_parameters())
        self.optimizer = torch.optim.AdamW(groups(parameters), lr=1e-3, betas=(0.9, 0.9))
        for number, parameter in enumerate(parameters.values()):
            parameter.grad = torch.full_like(parameter, number + 1.0)
        self.optimizer.step()
        self.moments = {name: self.optimizer.state.get(it, {}).get("exp_avg") for name, it in parameters.items()}

    def restored(self, content: object, tmp_path: Path, names: NamesInFile = "ours") -> tuple[OptimizerSummary, Any]:
        """The result of restoring, and the first moments by the names of the parameters."""
        torch.save(content, tmp_path / "opt.pt")
        preparation = Preparation(shift=0.0, scale=1.0, levels=256, binarize="none", bits=None)
        state = TrainState.initial(self.program, preparation, Position(0, 0, 1, "float32"), torch.device("cpu"))
        summary = restore_optimizer(self.program, state, tmp_path / "opt.pt", names)
        saved = state.optimizer.state_dict()["state"]
        names_by_number = [name for name, it in state.model.named_parameters() if it.requires_grad]
        moments = {name: saved[number]["exp_avg"] for number, name in enumerate(names_by_number) if number in saved}
        return summary, {name: moments.get(name) for name, _ in state.model.named_parameters()}

    def refused(self, content: object, tmp_path: Path) -> RunError:
        with pytest.raises(RunError) as caught:
            self.restored(content, tmp_path)
        assert "omit --optimizer" in caught.value.help
        return caught.value


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        (one[name] is None and other[name] is None) or torch.equal(one[name], other[name]) for name in one
    )


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("key", ["", "optimizer", "optimizer_states"])
def test_the_state_of_hvaedsls_own_module_is_restored(
    tmp_path: Path, small: Path, shared: Path, key: str, shares: bool
) -> None:
    trained = Trained(shared if shares else small, lambda parameters: parameters.values())
    state: Any = trained.optimizer.state_dict()
    content = {"epoch": 1, key: [state] if key.endswith("s") else state} if key else state
    summary, moments = trained.restored(content, tmp_path)
    assert same(moments, trained.moments)
    assert (summary.parameters, summary.updates, summary.missing) == (len(moments), 1, 0)
    assert summary.found == "in hvaedsl's order"
    if not shares:  # the weights were written under the published names: the shapes tell the order
        summary, moments = trained.restored(content, tmp_path, "published")
        assert same(moments, trained.moments)


def test_a_conversion_says_how_the_parameters_were_found(tmp_path: Path, small: Path, command: Command) -> None:
    trained = Trained(small, lambda parameters: parameters.values())
    file = tmp_path / "both.pt"
    torch.save({"model": trained.weights, "optimizer": trained.optimizer.state_dict()}, file)
    out = tmp_path / "run"
    code, said, err = command(
        "convert", small, "--from", file, "--optimizer", file, "--out", out, "--trained-on", "cifar10"
    )
    assert code == 0, err
    assert f"moments of {len(trained.moments)} parameters after 1 updates, in hvaedsl's order" in said
    assert command("train", out / "spec.hvae", "--out", out, "--resume", "--device", "cpu")[0] == 0


@pytest.mark.parametrize(
    "groups",
    [
        lambda named: reversed(named.items()),
        lambda named: [(f"module._orig_mod.{name}", parameter) for name, parameter in named.items()],
        lambda named: [
            {"params": [(name, it) for name, it in named.items() if it.ndim == 1], "weight_decay": 0.0},
            {"params": [(name, it) for name, it in named.items() if it.ndim != 1]},
        ],
        lambda named: list(named.items())[2:],
    ],
    ids=["reversed", "prefix", "groups", "frozen"],
)
def test_names_in_the_state_decide(tmp_path: Path, small: Path, groups: Callable[[Any], Any]) -> None:
    trained = Trained(small, groups)
    summary, moments = trained.restored(trained.optimizer.state_dict(), tmp_path)
    assert same(moments, trained.moments)
    assert summary.found == "by their names"
    assert summary.missing == sum(moment is None for moment in moments.values())


def test_names_may_be_the_keys_of_the_state(tmp_path: Path, small: Path) -> None:
    trained = Trained(small, lambda parameters: parameters.values())
    state = trained.optimizer.state_dict()
    names = list(trained.moments)
    by_name = {names[number]: moments for number, moments in state["state"].items()}
    group = {**state["param_groups"][0], "params": names}
    _, moments = trained.restored({"state": by_name, "param_groups": [group]}, tmp_path)
    assert same(moments, trained.moments)


def test_numbers_without_a_known_order_are_refused(tmp_path: Path, small: Path) -> None:
    def refused(groups: Callable[[dict[str, nn.Parameter]], Any]) -> RunError:
        trained = Trained(small, groups)
        return trained.refused(trained.optimizer.state_dict(), tmp_path)

    error = refused(
        lambda named: [{"params": [it for it in named.values() if (it.ndim == 1) == one]} for one in (1, 0)]
    )
    assert "has 2 groups of parameters without names; the order of the parameters is not known" in str(error)
    assert "model.named_parameters()" in error.help
    error = refused(lambda named: list(named.values())[2:])
    assert "parameters without names; small has" in str(error)
    assert "if some parameters were frozen" in error.help
    error = refused(lambda named: list(named.values())[::-1])
    assert "(number 0 in hvaedsl's order): exp_avg is" in str(error)
    assert "in another order" in error.help

    trained = Trained(small, lambda named: [("other", next(iter(named.values())))])
    error = trained.refused(trained.optimizer.state_dict(), tmp_path)
    assert "has the state of other, which small does not have" in str(error)
    state = trained.optimizer.state_dict()
    error = trained.refused({"first": state, "second": [state]}, tmp_path)
    assert "has the states of 2 optimizers: first, second.0" in str(error)
