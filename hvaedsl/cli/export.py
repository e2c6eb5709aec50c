"""`hvaedsl export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that hvaedsl train wrote.")],
    to: Annotated[
        Literal["pt2", "safetensors"],
        typer.Option(help="A program of torch.export, which needs torch alone; or the weights by their names."),
    ],
    what: Annotated[
        Literal["sample", "reconstruct", "loss"] | None,
        typer.Option(help="What the program computes; else sample. Goes with --to pt2."),
    ] = None,
    weights: Annotated[
        Literal["ema", "raw"], typer.Option(help="Averaged weights, or those of the last step.")
    ] = "ema",
    temperature: Annotated[
        float | None,
        typer.Option(metavar="T", help="Of --what sample: factor on the prior's standard deviation; else the spec's."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; else into RUN/exports, named after the options.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")] = False,
) -> None:
    """Write a trained model to a file that needs no hvaedsl, checked against the model.

    Example: [bold]hvaedsl export runs/digits --to pt2 --what loss[/]

    Example: [bold]hvaedsl export runs/digits --to safetensors --out digits.safetensors[/]
    """
    require_train("export")
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.export import ExportOptions, export_folder, export_program, export_tensors

    if to == "safetensors" and what is not None:
        raise UsageError("--what goes with --to pt2; safetensors hold the weights")
    what = what or "sample"
    if temperature is not None and (to != "pt2" or what != "sample"):
        raise UsageError("--temperature goes with --to pt2 --what sample")
    if temperature is not None and not temperature > 0:
        raise UsageError(f"--temperature is above 0, not {temperature:g}")
    finished = FinishedRun.open(run, "cpu")
    if to == "safetensors":
        path = out or export_folder(finished) / f"{weights}-step-{finished.checkpoint.step:08d}.safetensors"
        count = export_tensors(finished, path, weights, replace=force)
        typer.echo(f"written: {path}, {count:,} tensors")
        return
    warmth = "" if temperature is None else f"-temperature-{temperature:g}"
    path = out or export_folder(finished) / f"{what}-{weights}-step-{finished.checkpoint.step:08d}{warmth}.pt2"
    options = ExportOptions(what, weights, temperature or finished.program.spec.sample.temperature, force)
    written = export_program(finished, path, options)
    difference = written.maximum_difference
    agrees = "to the bit" if difference == 0 else f"to {difference:.2g}"
    typer.echo(f"written: {path}; its outputs agree with the model's {agrees}")
