"""The optimizer's state, from the files of the published code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights, WeightsMismatch
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.names import published_parameters
from hvaedsl.program import Program
from hvaedsl_runtime.convert.weight_names import not_published
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.weights import not_dense, read_torch
from hvaedsl_runtime.train.state import TrainState

RESTART = "omit --optimizer; the optimizer is then re-initialized"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class OptimizerSummary:
    """The size of an optimizer's state, and in words how the settings in its file differ from the spec's."""

    parameters: int  # with moments
    updates: int  # the maximum over parameters
    differences: tuple[str, ...]


def restore_published(program: Program, state: TrainState, path: Path) -> OptimizerSummary:
    """Load the moments in a file of the published code into the optimizer of `state`; the settings stay the spec's.

    The file is that of apex's FusedAdam or of torch's AdamW, which compute the same update. Both number the parameters
    in the order of the published model.

    Raises UsageError for a missing file; InvalidWeights for one that is damaged or another optimizer's; WeightsMismatch
    for another model's, and for a spec with shared weights: no moments of a shared block were ever published.
    """
    published, shapes = published_parameters(program.bridge), parameter_shapes(program.bridge)
    if not published or len(published) > len(shapes):
        raise WeightsMismatch(
            f"the optimizer of {program.name} cannot be imported: the published code "
            + ("shares no weights" if published else f"does not have {not_published(program)}"),
            help=RESTART,
        )

    groups, states = _read(path)
    numbers = [number for group in groups for number in group["params"]]
    if len(numbers) != len(published):
        raise WeightsMismatch(
            f"{path} has the state of {len(numbers)} parameters; {program.name} has {len(published)}",
            help="name the file that was saved together with the weights",
        )

    # From their numbers to ours: a parameter that no gradient reaches has a number there, and none here.
    steps = [group.get("step") for group in groups for _ in group["params"]]
    trainable = [name for name, parameter in state.model.named_parameters() if parameter.requires_grad]
    dtype = state.position.torch_dtype
    moments: dict[int, dict[str, Tensor]] = {}
    for number, (name, ours), step in zip(numbers, published.items(), steps, strict=True):
        if number in states and ours in trainable:
            place = f"{path}: the state of {name}"
            moments[trainable.index(ours)] = _moments(states[number], step, shapes[ours], place, dtype)

    settings = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": settings})
    updates = max((int(item["step"].item()) for item in moments.values()), default=0)
    return OptimizerSummary(len(moments), updates, tuple(_differences(groups, settings[0])))


def _read(path: Path) -> tuple[Sequence[Mapping[str, Any]], Mapping[int, Mapping[str, Any]]]:
    content = read_torch(path)
    if isinstance(content, Mapping) and {"state", "param_groups"} <= set(content):
        groups, states = content["param_groups"], content["state"]
        if (
            isinstance(groups, Sequence)
            and all(isinstance(group, Mapping) and isinstance(group.get("params"), list | tuple) for group in groups)
            and all(isinstance(number, int) for group in groups for number in group["params"])
            and isinstance(states, Mapping)
            and all(isinstance(state, Mapping) for state in states.values())
        ):
            return groups, states
    raise InvalidWeights(
        f"{path}: not the state of an optimizer, which has `state` and `param_groups`",
        help="name the file that ends in opt.th, or omit --optimizer; the optimizer is then re-initialized",
    )


def _moments(
    state: Mapping[str, Any], group_step: object, shape: tuple[int, ...], place: str, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The state of one parameter. apex counts the updates of a whole group, torch those of each parameter."""
    if not set(MOMENTS) <= set(state) <= {*MOMENTS, "step"}:
        raise WeightsMismatch(
            f"{place} has {', '.join(map(str, state))}; AdamW's has {' and '.join(MOMENTS)}",
            help=RESTART,
        )

    found: dict[str, Tensor] = {}
    for key in MOMENTS:
        value = state[key]
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            is_shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise WeightsMismatch(
                f"{place}: {key} is {is_shape}; the parameter is {list(shape)}",
                help="name the file that was saved together with the weights",
            )
        unusable = not_dense(value)
        if unusable is not None:
            raise InvalidWeights(f"{place}: {key} {unusable.what}", help=RESTART)
        not_finite = first_not_finite({key: value})
        if not_finite is not None:
            raise InvalidWeights(f"{place}: {not_finite}", help=RESTART)
        found[key] = value.to(dtype)

    step = state.get("step", group_step)
    count = _number(step)
    if not count >= 1 or not count.is_integer():
        raise WeightsMismatch(
            f"{place}: the number of updates is {step}; it must be a positive integer",
            help="without it the bias of the moments cannot be corrected; omit --optimizer",
        )
    return {"step": torch.tensor(count, dtype=torch.float32), **found}


def _number(value: object) -> float:
    """A plain number, or the one in a tensor; NaN for anything else."""
    if not isinstance(value, int | float | Tensor) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (RuntimeError, ValueError, OverflowError):  # a tensor on the device meta, of several values; too large
        return math.nan


def _plain(setting: object) -> object:
    """A setting without tensors, which cannot be compared with `!=`; a list is a tuple."""
    if isinstance(setting, Tensor):
        return None if setting.is_meta else _plain(setting.tolist())
    return tuple(map(_plain, setting)) if isinstance(setting, list | tuple) else setting


def _differences(groups: Sequence[Mapping[str, Any]], ours: Mapping[str, Any]) -> list[str]:
    """The settings of the file's groups that differ from ours, in words, each said once."""
    found: list[str] = []
    for group in groups:
        for key, setting in (("betas", "train.betas"), ("weight_decay", "train.weight_decay"), ("eps", "eps")):
            theirs = _plain(group.get(key))
            if theirs is not None and theirs != ours[key]:
                found.append(f"{setting} is {theirs} in the optimizer's file and {ours[key]} here")
        rate = _plain(group.get("initial_lr", group.get("lr")))
        if rate is not None and rate != ours["lr"]:
            found.append(f"train.learning_rate is {rate} in the optimizer's file and {ours['lr']} here")
    return list(dict.fromkeys(found))
