"""The optimiser's state at the beginning of a run, or taken over from the published code's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights, WeightsMismatch
from hvaedsl.lowering.names import parameter_shapes, published_parameters
from hvaedsl.program import Program
from hvaedsl_runtime.disk.weights import read_torch
from hvaedsl_runtime.train.step import make_optimizer

MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class OptimizerState:
    """What torch's AdamW loads, and how what was read differs from the spec, in words."""

    state_dict: dict[str, Any]
    parameters: int  # that have moments
    updates: int  # the most that were applied to one of them
    differences: tuple[str, ...]


def fresh_state(program: Program) -> OptimizerState:
    """The state before the first update."""
    return OptimizerState(_optimizer(program)[1].state_dict(), 0, 0, ())


def published_state(program: Program, path: Path, dtype: torch.dtype) -> OptimizerState:
    """The state in a file of the published code, of apex's FusedAdam or of torch's AdamW: both compute the same update.

    They number their parameters in the order of the published model. The settings are the spec's, not the file's.
    Raises UsageError where there is no such file, and RunError (5) for one that is damaged, is no such optimiser's, is
    another model's, or where the spec shares weights: no moments of a shared block were ever published.
    """
    published, shapes = published_parameters(program.bridge), parameter_shapes(program.bridge)
    if not published or len(published) > len(shapes):
        raise WeightsMismatch(
            f"the optimiser of {program.name} cannot be taken over: the published code "
            + ("shares no weights" if published else f"has no cell {program.spec.model.cell}"),
            help="leave --optimizer out: the optimiser then starts anew",
        )
    groups, states = _read(path)
    numbers = [number for group in groups for number in group["params"]]
    if len(numbers) != len(published):
        raise WeightsMismatch(
            f"{path} is of a model with {len(numbers)} parameters; {program.name} has {len(published)}",
            help="name the file that was saved together with the weights",
        )
    steps = [group.get("step") for group in groups for _ in group["params"]]
    names, optimizer = _optimizer(program)
    taken: dict[int, dict[str, Tensor]] = {}
    for number, (name, ours), step in zip(numbers, published.items(), steps, strict=True):
        if number in states and ours in names:
            moments = _moments(states[number], step, shapes[ours], f"{path}: the state of {name}", dtype)
            taken[names.index(ours)] = moments
    state_dict = optimizer.state_dict()
    differences = tuple(_differences(groups, state_dict["param_groups"][0]))
    state_dict["state"] = taken
    updates = max((int(moments["step"].item()) for moments in taken.values()), default=0)
    return OptimizerState(state_dict, len(taken), updates, differences)


def _optimizer(program: Program) -> tuple[list[str], torch.optim.AdamW]:
    """The optimiser of a training step before its first update, and the names of its parameters."""
    parameters = {
        name: parameter
        for name, parameter in program.module().named_parameters()
        if name not in program.without_gradient and parameter.requires_grad
    }
    return list(parameters), make_optimizer(list(parameters.values()), program.training())


def _read(path: Path) -> tuple[Sequence[Mapping[str, Any]], Mapping[int, Mapping[str, Any]]]:
    content = read_torch(path)
    if isinstance(content, Mapping) and {"state", "param_groups"} <= set(content):
        groups, states = content["param_groups"], content["state"]
        if (
            isinstance(groups, Sequence)
            and all(isinstance(group, Mapping) and isinstance(group.get("params"), Sequence) for group in groups)
            and isinstance(states, Mapping)
            and all(isinstance(state, Mapping) for state in states.values())
        ):
            return groups, states
    raise InvalidWeights(
        f"{path}: holds no optimiser's state, which has `state` and `param_groups`",
        help="name the file that ends in opt.th, or leave --optimizer out: the optimiser then starts anew",
    )


def _moments(
    state: Mapping[str, Any], group_step: object, shape: tuple[int, ...], place: str, dtype: torch.dtype
) -> dict[str, Tensor]:
    """One parameter's state; apex counts the updates of a whole group, torch those of each parameter."""
    if not set(MOMENTS) <= set(state) <= {*MOMENTS, "step"}:
        raise WeightsMismatch(
            f"{place} has {', '.join(map(str, state))}; AdamW's has {' and '.join(MOMENTS)}",
            help="leave --optimizer out: the optimiser then starts anew",
        )
    found: dict[str, Tensor] = {}
    for key in MOMENTS:
        value = state[key]
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            is_shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise WeightsMismatch(
                f"{place}: {key} is {is_shape}, the parameter {list(shape)}",
                help="name the file that was saved together with the weights",
            )
        found[key] = value.to(dtype)
    step = state.get("step", group_step)
    count = float(step) if isinstance(step, int | float | Tensor) and not isinstance(step, bool) else math.nan
    if not count >= 1 or not count.is_integer():
        raise WeightsMismatch(
            f"{place}: the number of updates is {step}, wanted a whole number from 1",
            help="without it the moments cannot be corrected for their start; leave --optimizer out",
        )
    return {"step": torch.tensor(count, dtype=torch.float32), **found}


def _differences(groups: Sequence[Mapping[str, Any]], ours: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for group in groups:
        for key, setting in (("betas", "train.betas"), ("weight_decay", "train.weight_decay"), ("eps", "eps")):
            theirs = tuple(group[key]) if isinstance(group.get(key), list | tuple) else group.get(key)
            if theirs is not None and theirs != ours[key]:
                found.append(f"{setting} is {theirs} in the optimiser's file and {ours[key]} here")
        rate = group.get("initial_lr", group.get("lr"))
        if rate is not None and rate != ours["lr"]:
            found.append(f"train.learning_rate is {rate} in the optimiser's file and {ours['lr']} here")
    return list(dict.fromkeys(found))
