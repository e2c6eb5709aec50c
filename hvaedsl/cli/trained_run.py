"""Arguments and options that several commands on a trained run share, each declared once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.options import described
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.run_options import DEVICE, DeviceName

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder written by hvaedsl train.")]

Device = Annotated[
    DeviceName | None, typer.Option("--device", metavar=DEVICE.metavar, help=described(DEVICE.help, DEVICE.default))
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, metavar="N", help=described("Batch size.", "train.batch_size"))
]
SplitName = Annotated[Literal["test", "validation"], typer.Option("--split", help="Split of the dataset.")]
Weights = Annotated[
    Literal["raw", "ema"],
    typer.Option("--weights", help="Weights of the last step (raw) or their exponential moving average (ema)."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="S", help="Seed for samples drawn from the prior.")]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T",
        help=described("Factor on the prior's standard deviation.", "sample.temperature"),
    ),
]


def check_file(out: Path | None, suffix: str) -> None:
    """Raise `UsageError` if `--out` is given and does not name a file with this suffix in an existing folder."""
    if out is not None and (out.suffix.lower() != suffix or not out.parent.is_dir() or out.is_dir()):
        raise UsageError(f"--out is {out}; it must name a file that ends in {suffix}, in an existing folder")


def positive_temperature(value: float | None) -> float | None:
    """The value of `--temperature`. Raises `UsageError` if it is not positive and finite."""
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"--temperature is {value:g}; it must be a positive, finite number")
    return value


def as_asked(temperature: float | None) -> str:
    """`--temperature` as messages name it; empty if it was not given."""
    return "" if temperature is None else f"--temperature {temperature:g}"
