"""`hvaedsl report`: write all analyses of a run to one self-contained HTML page with figures and data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.analyze import Images
from hvaedsl.cli.extras import DRAWING_PACKAGES, require_train
from hvaedsl.cli.options import described
from hvaedsl.cli.trained_run import BatchSize, Device, RunPath, Seed, SplitName, Weights
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
    device: Device = None,
    batch_size: BatchSize = None,
) -> None:
    """Write all analyses of a run to one self-contained HTML page with figures and data.

    Example: [bold]hvaedsl report runs/digits --out digits.html[/]
    """
    require_train("report", *DRAWING_PACKAGES)
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl_runtime.analysis.base import Subject
    from hvaedsl_runtime.analysis.html_report import write_report
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun

    if out is not None and (out.suffix.lower() != ".html" or not out.parent.is_dir() or out.is_dir()):
        raise UsageError(f"--out is {out}; it must name an .html file in an existing folder")
    subject = Subject(FinishedRun.open(run, device), weights, split, images, seed, batch_size)
    path = out or run / "report.html"
    write_report(subject, path, typer.echo)
    say(f"written: {path}")
