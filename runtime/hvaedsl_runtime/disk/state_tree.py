"""The state of a run as JSON, with references to tensors that are kept elsewhere.

JSON lacks tuples, keys that are not text, and numbers that are not finite: these are objects with one member whose name
starts with `$`. No class is named, so that reading a state runs no code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

TENSOR, TUPLE, MAPPING, NUMBER = "$tensor", "$tuple", "$map", "$number"
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Place = tuple[str, str]  # of a tensor: the part of the state, which names its file, and the name in it


def tree_of(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Place, Tensor]]:
    """A state as JSON values, and its tensors by their places. Raises TypeError for a value of another type.

    A tensor is named by the keys that lead to it, joined by dots: those of a state dict keep their names.
    """
    tensors: dict[Place, Tensor] = {}

    def placed(tensor: Tensor, part: str, name: str) -> dict[str, Any]:
        while (part, name) in tensors:  # other keys with dots in them
            name += "'"
        tensors[part, name] = tensor
        return {TENSOR: [part, name]}

    def converted(value: Any, part: str, name: str) -> Any:
        def inner(key: object, item: Any) -> Any:
            return converted(item, part, f"{name}.{key}" if name else str(key))

        match value:
            case Tensor():
                return placed(value, part, name or part)
            case float():
                return value if math.isfinite(value) else {NUMBER: str(value)}
            case None | bool() | int() | str():
                return value
            case tuple():
                return {TUPLE: [inner(index, item) for index, item in enumerate(value)]}
            case list():
                return [inner(index, item) for index, item in enumerate(value)]
            case Mapping() if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: inner(key, item) for key, item in value.items()}
            case Mapping():
                return {MAPPING: [[converted(key, part, name), inner(key, item)] for key, item in value.items()]}
        raise TypeError(f"the state has a {type(value).__name__} at {part}.{name}")

    return {part: converted(value, part, "") for part, value in state.items()}, tensors


def state_of(tree: Any, tensor: Callable[[Place], Tensor]) -> Any:
    """The state of a tree; `tensor` finds one by its place. Raises LookupError, TypeError or ValueError for another."""
    match tree:
        case list():
            return [state_of(item, tensor) for item in tree]
        case dict() if len(tree) == 1 and next(iter(tree)).startswith("$"):
            ((kind, value),) = tree.items()
            if kind == TENSOR:
                part, name = value
                return tensor((part, name))
            if kind == TUPLE:
                return tuple(state_of(item, tensor) for item in value)
            if kind == NUMBER:
                return NOT_FINITE[value]
            if kind == MAPPING:
                return {state_of(key, tensor): state_of(item, tensor) for key, item in value}
            raise ValueError(f"`{kind}` is unknown")
        case dict():
            return {key: state_of(item, tensor) for key, item in tree.items()}
        case _:
            return tree
