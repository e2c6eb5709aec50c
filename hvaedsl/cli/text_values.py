"""Texts need no conversion: to convert them, typer would import pydantic, which takes a third of the time of `lint`.

Versions of typer that convert values in another way are left alone.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin


class TextValues:
    """For commands and groups: texts, lists of texts and exact choices are taken as they are, all else is converted."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of the command."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the command
        for parameter in found:
            described = getattr(parameter, "type_descriptor", None)
            if hasattr(parameter, "get_runtime_param") and described is not None:
                parameter.get_runtime_param = _AsTheyAre(parameter).itself
        return found


class _AsTheyAre:
    """What converts the values of one parameter, in place of an object of typer with the same method."""

    def __init__(self, parameter: Any) -> None:
        self._converter = type(parameter).get_runtime_param

    def itself(self) -> _AsTheyAre:
        return self

    def coerce(self, value: object, param: Any, ctx: Any) -> Any:
        """The value of a parameter. Raises typer's errors for values that are not allowed."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        described = param.type_descriptor
        if described.parameter_info.parser is None and not described.is_path and _is_plain(value, described.annotation):
            return list(value) if isinstance(value, tuple) else value
        return self._converter(param).coerce(value, param=param, ctx=ctx)


def _is_plain(value: object, annotation: object) -> bool:
    if annotation is str:
        return isinstance(value, str)
    if annotation == list[str]:
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return get_origin(annotation) is Literal and isinstance(value, str) and value in get_args(annotation)
