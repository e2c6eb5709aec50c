"""Arguments and options that several commands on a trained run share, each declared once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hvaedsl.cli.options import described
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.run_options import DEVICE, DeviceName

if TYPE_CHECKING:
    from hvaedsl.program import Program

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder written by hvaedsl train.")]

Device = Annotated[
    DeviceName | None, typer.Option("--device", metavar=DEVICE.metavar, help=described(DEVICE.help, DEVICE.default))
]
CheckpointName = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="best|last|STEP",
        help=described(
            "Checkpoint: that of the lowest validation bound, the last one, or that of a step.",
            "last, or best under train.stop_after",
        ),
    ),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, metavar="N", help=described("Batch size.", "as in training"))
]
SplitName = Annotated[Literal["test", "validation"], typer.Option("--split", help="Split of the dataset.")]
Weights = Annotated[
    Literal["raw", "ema"],
    typer.Option("--weights", help="Weights of the last step (raw) or their exponential moving average (ema)."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="S", help="Seed for samples drawn from the prior.")]
Temperature = Annotated[
    str | None,
    typer.Option(
        "--temperature",
        metavar="T",
        help=described(
            "Factor on the prior's standard deviation: a number, or a map such as '{8: 0.7, other: 1}'.",
            "sample.temperature",
        ),
    ),
]


def check_file(out: Path | None, suffix: str) -> None:
    """Raise `UsageError` if `--out` is given and does not name a file with this suffix in an existing folder."""
    if out is not None and (out.suffix.lower() != suffix or not out.parent.is_dir() or out.is_dir()):
        raise UsageError(f"--out is {out}; it must name a file that ends in {suffix}, in an existing folder")


def check_number(temperature: str | None) -> None:
    """Raise `UsageError` if `--temperature` is a number that is not positive and finite; other texts need the run."""
    value = _number(temperature)
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"--temperature is {value:g}; it must be a positive, finite number")


def temperature_of(written: str | None, program: Program) -> float | Mapping[int, float]:
    """The value of `--temperature`, by default that of the spec.

    Raises `SpecError` for a text that is no temperature, and `UsageError` for a resolution that draws no latent.
    """
    if written is None:
        return program.spec.sample.temperature
    number = _number(written)
    return program.temperature(written, "--temperature") if number is None else number


def temperature_name(temperature: float | Mapping[int, float]) -> str:
    """A temperature as a part of a file's name."""
    if isinstance(temperature, Mapping):
        return ",".join(f"{at}={factor:g}" for at, factor in temperature.items())
    return f"{temperature:g}"


def _number(written: str | None) -> float | None:
    try:
        return None if written is None else float(written)
    except ValueError:
        return None


def as_asked(temperature: str | None) -> str:
    """`--temperature` as messages name it; empty if it was not given."""
    return "" if temperature is None else f"--temperature {temperature}"
