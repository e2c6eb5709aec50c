"""The names of parameters in checkpoints before format 3 and weight files before format 2: by label.

The block of the label `@top` was `decoder.blocks.shared_top`; now it is `decoder.blocks.r8_0`, as without a label. Only
blocks without a label were numbered, so that `r8_0` could be another block. No name begins with `shared_` any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, get_args

from hvaedsl.ir.bridge import Bridge, Stack
from hvaedsl.ir.parameter_names import (
    Group,
    block_attributes,
    block_path,
    first_applications,
    numbered,
    parameter_shapes,
)

Weight = TypeVar("Weight")
STACKS: tuple[Stack, ...] = get_args(Stack)


def is_named_by_label(name: str) -> bool:
    """Whether a parameter has a name with a label."""
    return name.startswith(tuple(block_path(stack, "shared_") for stack in STACKS))


def names_by_label(bridge: Bridge) -> dict[str, str]:
    """The name of each parameter, and the earlier one."""
    earlier = {now: before for before, now in _paths_by_label(bridge).items()}
    return {name: _moved(name, earlier) for name in parameter_shapes(bridge)}


def named_by_position(bridge: Bridge, weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """Weights with the earlier names, under their names now.

    Raises KeyError with a name if it belongs to a block that the bridge lacks: it could be another block's name now.
    """
    paths = _paths_by_label(bridge)
    return {_moved(name, paths): value for name, value in weights.items()}


def _paths_by_label(bridge: Bridge) -> dict[str, str]:
    """The earlier path of each block, and its path now.

    For the label `@top`: `decoder.blocks.shared_top`, and `decoder.blocks.r8_0`.
    """
    now = block_attributes(bridge)
    return {
        block_path(group[0], earlier): block_path(group[0], now[group])
        for group, earlier in _attributes_by_label(bridge).items()
    }


def _attributes_by_label(bridge: Bridge) -> dict[Group, str]:
    """The earlier attribute of each weight group. Groups with a label were not numbered."""
    found = list(first_applications(bridge))
    labeled = {group: f"shared_{op.group[1:]}" for group, op in found if op.group.startswith("@")}
    return labeled | numbered((group, op) for group, op in found if group not in labeled)


def _moved(name: str, paths: Mapping[str, str]) -> str:
    """The name of a parameter with another path for its block, if it is in one. Raises KeyError for another block."""
    if not name.startswith(tuple(block_path(stack, "") for stack in STACKS)):
        return name
    path = ".".join(name.split(".")[:3])
    if path not in paths:
        raise KeyError(name)
    return paths[path] + name[len(path) :]
