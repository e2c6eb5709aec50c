"""`hvaedsl sample`: draw samples from the prior of a trained model and write them as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import described
from hvaedsl.cli.trained_run import (
    Device,
    RunPath,
    Seed,
    Temperature,
    Weights,
    as_asked,
    check_file,
    positive_temperature,
)
from hvaedsl.diagnostics.streams import say


def sample(
    run: RunPath,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=described("Number of samples.", "sample.count"))
    ] = None,
    temperature: Temperature = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.png", help=described("Output file.", "in RUN/samples, named after the options")
        ),
    ] = None,
    weights: Weights = "ema",
    device: Device = None,
) -> None:
    """Draw samples from the prior of a trained model and write them as one picture.

    Example: [bold]hvaedsl sample runs/digits --count 16 --temperature 0.8 --out digits.png[/]
    """
    require_train("sample")
    from hvaedsl.diagnostics.refusals import ANOTHER_FILE, refusals_explained
    from hvaedsl_runtime.disk.run_folder import check_output_path
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.evaluate.pictures import save_samples

    positive_temperature(temperature)
    check_file(out, ".png")

    finished = FinishedRun.open(run, device)
    spec = finished.program.spec
    count = count or spec.sample.count
    if out is None:
        step, warmth = finished.checkpoint.step, "spec" if temperature is None else f"{temperature:g}"
        name = f"{weights}-step-{step:08d}-count-{count}-temperature-{warmth}-seed-{seed}"
        out = finished.folder.picture("samples", name)

    check_output_path(out, ANOTHER_FILE)
    images = finished.sample(weights, count, temperature or spec.sample.temperature, seed, as_asked(temperature))
    with refusals_explained(out, ANOTHER_FILE):
        save_samples(out, images, spec)
    say(f"written: {out}")
