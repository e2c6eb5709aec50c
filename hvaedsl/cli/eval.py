"""`hvaedsl eval`: evaluate a trained run on all images of a split."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Json, TextFormat, described, format_of
from hvaedsl.cli.trained_run import BatchSize, CheckpointName, Device, RunPath, SplitName, check_file
from hvaedsl.diagnostics.streams import print_data, say


def evaluate(
    run: RunPath,
    split: SplitName = "test",
    weights: Annotated[
        Literal["raw", "ema", "both"],
        typer.Option(help="Weights of the last step (raw), their exponential moving average (ema), or both."),
    ] = "both",
    checkpoint: CheckpointName = None,
    device: Device = None,
    batch_size: BatchSize = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.json", help=described("Result file.", "RUN/eval_SPLIT.json")),
    ] = None,
    output_format: TextFormat = "text",
    as_json: Json = False,
) -> None:
    """Evaluate a checkpoint of a run on all images of a split.

    Under train.stop_after, the weights with the lowest validation bound are evaluated, and the title says so.

    The result is also written to RUN/eval_SPLIT.json, where `report` finds it, or to another file.

    Example: [bold]hvaedsl eval runs/digits --split validation[/]
    """
    require_train("eval")
    from hvaedsl.report.terminal import console
    from hvaedsl_runtime.disk.strict_json import json_text
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.evaluate.results import after_steps, results_table

    chosen = format_of(output_format, as_json)
    check_file(out, ".json")
    finished = FinishedRun.open(run, device, checkpoint)
    path = out or finished.evaluation_file(split)
    finished.check_evaluation_path(split, path)
    bounds = finished.evaluate(split, batch_size, ("raw", "ema") if weights == "both" else (weights,))
    if chosen == "json":
        print_data(json_text(finished.evaluation(split, bounds), indent=2))
    else:
        title = f"{run}: {split} images {after_steps(finished.checkpoint.step, finished.last_step)}"
        console().print(results_table(finished.program.spec, title, bounds))
    diverged = [name for name, bound in bounds.items() if not math.isfinite(bound.loss_nats_per_dim)]
    if diverged:
        say(f"the bound is not finite ({', '.join(diverged)}): the training of {run} diverged", err=True)
    finished.write_evaluation(split, bounds, path)  # last: if writing fails, the result has been printed
