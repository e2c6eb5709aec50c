"""`hvaedsl export`: write a trained model to a file that does not need hvaedsl, verified against the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Force, described
from hvaedsl.cli.trained_run import (
    CheckpointName,
    RunPath,
    Temperature,
    Weights,
    as_asked,
    check_number,
    temperature_name,
    temperature_of,
)
from hvaedsl.diagnostics.streams import say


def export(
    run: RunPath,
    to: Annotated[
        Literal["pt2", "safetensors"],
        typer.Option(help="A torch.export program, which needs only torch (pt2), or the named weights (safetensors)."),
    ],
    what: Annotated[
        Literal["sample", "reconstruct", "loss"] | None,
        typer.Option(help=described("With --to pt2: what the program computes.", "sample")),
    ] = None,
    weights: Weights = "ema",
    checkpoint: CheckpointName = None,
    temperature: Temperature = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help=described("Output file.", "in RUN/exports, named after the options")
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write a trained model to a file that does not need hvaedsl, verified against the model.

    Example: [bold]hvaedsl export runs/digits --to pt2 --what loss[/]

    Example: [bold]hvaedsl export runs/digits --to safetensors --out digits.safetensors[/]
    """
    require_train("export")
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.export import ExportOptions, export_folder, export_program, export_tensors

    if to == "safetensors" and what is not None:
        raise UsageError("--what requires --to pt2; a safetensors file holds only weights")
    what = what or "sample"
    if temperature is not None and (to != "pt2" or what != "sample"):
        raise UsageError("--temperature requires --to pt2 --what sample")
    check_number(temperature)

    finished = FinishedRun.open(run, "cpu", checkpoint)
    step = f"step-{finished.checkpoint.step:08d}"
    if to == "safetensors":
        path = out or export_folder(finished) / f"{weights}-{step}.safetensors"
        count = export_tensors(finished, path, weights, replace=force)
        say(f"written: {path}, {count:,} tensors")
        return

    factor = temperature_of(temperature, finished.program)
    warmth = "" if temperature is None else f"-temperature-{temperature_name(factor)}"
    path = out or export_folder(finished) / f"{what}-{weights}-{step}{warmth}.pt2"
    options = ExportOptions(what, weights, factor, force, asked=as_asked(temperature))
    written = export_program(finished, path, options)
    difference = written.maximum_difference
    agreement = "bit for bit" if difference == 0 else f"within {difference:.2g}"
    say(f"written: {path}; its outputs agree with the model's {agreement}")
