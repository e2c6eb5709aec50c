"""`hvaedsl report`: write all analyses of a run to one self-contained HTML page with figures and data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.analyze import Images
from hvaedsl.cli.extras import DRAWING_PACKAGES, require_train
from hvaedsl.cli.options import described
from hvaedsl.cli.trained_run import BatchSize, CheckpointName, Device, RunPath, Seed, SplitName, Weights, check_file
from hvaedsl.diagnostics.streams import say


def report(
    run: RunPath,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", help=described("Output file.", "RUN/report.html")),
    ] = None,
    weights: Weights = "raw",
    split: SplitName = "test",
    images: Images = None,
    seed: Seed = 0,
    checkpoint: CheckpointName = None,
    device: Device = None,
    batch_size: BatchSize = None,
) -> None:
    """Write all analyses of a run to one self-contained HTML page with figures and data.

    Example: [bold]hvaedsl report runs/digits --out digits.html[/]
    """
    require_train("report", *DRAWING_PACKAGES)
    from hvaedsl_runtime.analysis.base import Subject
    from hvaedsl_runtime.analysis.html_report import write_report
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun

    check_file(out, ".html")
    subject = Subject(FinishedRun.open(run, device, checkpoint), weights, split, images, seed, batch_size)
    path = out or run / "report.html"
    write_report(subject, path, typer.echo)
    say(f"written: {path}")
