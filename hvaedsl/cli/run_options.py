"""The options of `train` and `sweep`, made from their declaration in `hvaedsl.ir.run_options`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

import typer

from hvaedsl.cli.options import described
from hvaedsl.ir.run_options import RunOptions, flag_of, option_of

Function = TypeVar("Function", bound=Callable[..., None])


def with_options(declaration: type[RunOptions]) -> Callable[[Function], Function]:
    """Give a command an option for each field of `declaration`; its `**options` receives their values by field name.

    A required field is None if the option is not given, and is left to the command.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function, eval_str=True)
        kept = [item for item in own.parameters.values() if item.kind is not item.VAR_KEYWORD]
        function.__signature__ = own.replace(parameters=[*kept, *_parameters(declaration)])  # type: ignore[attr-defined]  # typer reads it
        return function

    return decorate


def _parameters(declaration: type[RunOptions]) -> Iterator[inspect.Parameter]:
    for name, field in declaration.model_fields.items():
        option = option_of(field)
        if option is None:
            continue

        annotation: Any = field.annotation
        shown = typer.Option(
            flag_of(name),
            help=described(option.help, option.default),
            metavar=option.metavar,
            min=option.minimum,
        )
        required = field.is_required()
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if required else field.default,
            annotation=Annotated[annotation | None if required else annotation, shown],
        )
