"""The optimizer's state, from files of the published code and of any program that trains hvaedsl's modules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights, WeightsMismatch
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.earlier_names import names_by_label
from hvaedsl.lowering.names import published_parameters
from hvaedsl.program import Program
from hvaedsl_runtime.convert.name_prefixes import bare_name
from hvaedsl_runtime.convert.weight_names import NamesInFile, not_published
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.weights import not_dense, read_torch
from hvaedsl_runtime.train.state import TrainState

RESTART = "omit --optimizer; the optimizer is then re-initialized"
TOGETHER = "name the file that was saved together with the weights"
WITH_NAMES = (
    "write it with the names of the parameters: make the optimizer from model.named_parameters(), load the state, and "
    "save it (torch 2.6 or later)"
)
MOMENTS = ("exp_avg", "exp_avg_sq")
# Of the keys that lead to an optimizer's state in a checkpoint.
DEPTH = 4


@dataclass(frozen=True)
class OptimizerSummary:
    """The size of an optimizer's state, and in words how its parameters were found and how its settings differ."""

    parameters: int  # with moments
    updates: int  # the maximum over parameters
    found: str  # such as `by their names`
    missing: int  # parameters that are trained and have no moments
    differences: tuple[str, ...]


class _Parameter(NamedTuple):
    """A parameter in the file: its key among the states, the updates that its group counts, and its name, if stored."""

    key: int | str
    step: object
    name: str | None


class _Order(NamedTuple):
    """The order of a model's parameters: the name of each there, and ours."""

    found: str
    parameters: Sequence[tuple[str, str]]


def restore_optimizer(program: Program, state: TrainState, path: Path, names: NamesInFile) -> OptimizerSummary:
    """Load the moments in a file into the optimizer of `state`; the settings stay the spec's.

    The file is that of apex's FusedAdam or of torch's AdamW, which compute the same update, or a checkpoint with one
    such state. Parameters are found by their names, if the state has them, and otherwise by their numbers: in the order
    of the model whose names the weights have (`names`), or of the other one if only that has their shapes.

    Raises UsageError for a missing file; InvalidWeights for one that is damaged or another optimizer's; WeightsMismatch
    for another model's, for numbers whose order is not known, and for the published names of a spec with shared
    weights: no moments of a shared block were ever published.
    """
    groups, states = _read(path)
    parameters = [parameter for group in groups for parameter in _parameters(group)]
    shapes = parameter_shapes(program.bridge)
    if parameters and all(parameter.name is not None for parameter in parameters):
        order = _by_name(program, parameters, path)
    else:
        order = _by_number(program, state, parameters, groups, states, path, names)

    # From their numbers to ours: a parameter that no gradient reaches has a number there, and none here.
    trainable = [name for name, parameter in state.model.named_parameters() if parameter.requires_grad]
    dtype = state.position.torch_dtype
    moments: dict[int, dict[str, Tensor]] = {}
    for parameter, (name, ours) in zip(parameters, order.parameters, strict=True):
        if parameter.key in states and ours in trainable:
            place = f"{path}: the state of {name}"
            place += "" if parameter.name is not None else f" (number {parameter.key} {order.found})"
            moments[trainable.index(ours)] = _moments(states[parameter.key], parameter.step, shapes[ours], place, dtype)

    settings = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": settings})
    updates = max((int(item["step"].item()) for item in moments.values()), default=0)
    differences = tuple(_differences(groups, settings[0]))
    return OptimizerSummary(len(moments), updates, order.found, len(trainable) - len(moments), differences)


def _parameters(group: Mapping[str, Any]) -> Iterator[_Parameter]:
    """The parameters of a group; their names are the keys if it has those, or in a list of their own."""
    keys = group["params"]
    names = group.get("param_names")
    if not isinstance(names, list | tuple) or len(names) != len(keys) or not all(isinstance(it, str) for it in names):
        names = [key if isinstance(key, str) else None for key in keys]
    yield from (_Parameter(key, group.get("step"), name) for key, name in zip(keys, names, strict=True))


def _by_name(program: Program, parameters: Sequence[_Parameter], path: Path) -> _Order:
    ours = _ours(program)
    found: list[tuple[str, str]] = []
    for parameter in parameters:
        name = bare_name(parameter.name or "", ours)
        if name not in ours:
            raise WeightsMismatch(
                f"{path} has the state of {parameter.name}, which {program.name} does not have",
                help=f"{TOGETHER}, or {RESTART}",
            )
        found.append((name, ours[name]))

    twice = next((one for one, count in Counter(one for _, one in found).items() if count > 1), None)
    if twice is not None:
        raise WeightsMismatch(f"{path} has several states for {twice}", help=RESTART)
    return _Order("by their names", found)


def _ours(program: Program) -> dict[str, str]:
    """Our name of a parameter by any name that it may have."""
    by_label = {before: now for now, before in names_by_label(program.bridge).items()}
    ours = {name: name for name in parameter_shapes(program.bridge)}
    return by_label | dict(published_parameters(program.bridge)) | ours


def _by_number(
    program: Program,
    state: TrainState,
    parameters: Sequence[_Parameter],
    groups: Sequence[Mapping[str, Any]],
    states: Mapping[int | str, Mapping[str, Any]],
    path: Path,
    names: NamesInFile,
) -> _Order:
    """The order in which the file numbers the parameters. Raises WeightsMismatch if it is not known."""
    count = sum(bool(group["params"]) for group in groups)
    if count > 1:
        raise WeightsMismatch(
            f"{path} has {count} groups of parameters without names; the order of the parameters is not known",
            help=f"{WITH_NAMES}; or {RESTART}",
        )

    orders = _orders(program, state, names)
    of_number = [order for order in orders if len(order.parameters) == len(parameters)]
    if not of_number:
        has = len(orders[0].parameters)
        if len(parameters) > has:
            way_out = f"{TOGETHER}, or {RESTART}"
        else:
            way_out = f"{TOGETHER}; if some parameters were frozen, {WITH_NAMES}; or {RESTART}"
        raise WeightsMismatch(
            f"{path} has the state of {counted(len(parameters), 'parameter')} without names; {program.name} has {has}",
            help=way_out,
        )

    shapes = parameter_shapes(program.bridge)

    def fits(order: _Order) -> bool:
        return all(
            _shape(states[parameter.key].get(MOMENTS[0])) == shapes[ours]
            for parameter, (_, ours) in zip(parameters, order.parameters, strict=True)
            if parameter.key in states
        )

    return next(filter(fits, of_number), of_number[0])


def _orders(program: Program, state: TrainState, names: NamesInFile) -> list[_Order]:
    """The orders of the two models, that of the weights' names first; hvaedsl's also without what is not trained.

    Raises WeightsMismatch if the weights have the published names, and there is no published order.
    """
    published, shapes = published_parameters(program.bridge), parameter_shapes(program.bridge)
    module = [(name, name) for name, _ in state.model.named_parameters()]
    trained = [(name, name) for name, parameter in state.model.named_parameters() if parameter.requires_grad]
    ours = [_Order("in hvaedsl's order", parameters) for parameters in (module, trained)]
    theirs = [_Order("in the published order", list(published.items()))]
    if not published or len(published) > len(shapes):
        if names == "published":
            raise WeightsMismatch(
                f"the optimizer of {program.name} cannot be imported: the published code "
                + ("shares no weights" if published else f"does not have {not_published(program)}"),
                help=RESTART,
            )
        return ours
    return [*theirs, *ours] if names == "published" else [*ours, *theirs]


def _shape(moment: object) -> tuple[int, ...] | None:
    return tuple(moment.shape) if isinstance(moment, Tensor) else None


def _read(path: Path) -> tuple[Sequence[Mapping[str, Any]], Mapping[int | str, Mapping[str, Any]]]:
    content = read_torch(path)
    found = dict(_optimizers(content))
    if len(found) > 1:
        raise InvalidWeights(
            f"{path}: has the states of {len(found)} optimizers: {', '.join(found)}",
            help=f"save the state of the model's optimizer alone, or {RESTART}",
        )
    for optimizer in found.values():
        groups, states = optimizer["param_groups"], optimizer["state"]
        if (
            isinstance(groups, Sequence)
            and all(isinstance(group, Mapping) and isinstance(group.get("params"), list | tuple) for group in groups)
            and _are_keys([key for group in groups for key in group["params"]])
            and isinstance(states, Mapping)
            and all(isinstance(state, Mapping) for state in states.values())
        ):
            return groups, states
    raise InvalidWeights(
        f"{path}: not the state of an optimizer, which has `state` and `param_groups`",
        help=f"name the file that ends in opt.th, or {RESTART}",
    )


def _are_keys(keys: Sequence[object]) -> bool:
    """Whether these are numbers of parameters, or their names."""
    is_named = all(isinstance(key, str) for key in keys) and len(keys) == len({*keys})
    return is_named or all(isinstance(key, int) for key in keys)


def _optimizers(content: object, key: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The states of optimizers in a checkpoint, by the keys that lead to them."""
    if isinstance(content, Mapping) and {"state", "param_groups"} <= set(content):
        yield key, content
    elif depth < DEPTH and isinstance(content, Mapping | list | tuple):
        for name, value in content.items() if isinstance(content, Mapping) else enumerate(content):
            yield from _optimizers(value, f"{key}.{name}" if key else str(name), depth + 1)


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
                help=f"{TOGETHER}; if its optimizer had the parameters in another order, {WITH_NAMES}; or {RESTART}",
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
