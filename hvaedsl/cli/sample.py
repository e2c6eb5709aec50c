"""`hvaedsl sample`: draw samples from the prior of a trained model and write them."""

from __future__ import annotations

from typing import Annotated

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Force, described
from hvaedsl.cli.trained_run import (
    CheckpointName,
    Device,
    RunPath,
    Seed,
    Temperature,
    Weights,
    as_asked,
    check_number,
    temperature_name,
    temperature_of,
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
        str | None,
        typer.Option(
            "--out",
            metavar="FILE|FOLDER/",
            help=described(
                "Output: one picture (.png), an array (.npz or .npy), or a folder of PNG files (of .npy files for real "
                "values).",
                "a picture in RUN/samples, named after the options",
            ),
        ),
    ] = None,
    weights: Weights = "ema",
    checkpoint: CheckpointName = None,
    device: Device = None,
    force: Force = False,
) -> None:
    """Draw samples from the prior of a trained model, and write them as a picture, an array or a folder of PNG files.

    Example: [bold]hvaedsl sample runs/digits --count 16 --temperature 0.8 --out digits.png[/]

    Example: [bold]hvaedsl sample runs/digits --count 50000 --out samples.npz[/]
    """
    require_train("sample")
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.evaluate.image_output import ImageOutput
    from hvaedsl_runtime.evaluate.samples import write_samples

    check_number(temperature)
    output = None if out is None else ImageOutput.named(out)

    finished = FinishedRun.open(run, device, checkpoint)
    count = count or finished.program.spec.sample.count
    factor = temperature_of(temperature, finished.program)
    if output is None:
        step, warmth = finished.checkpoint.step, "spec" if temperature is None else temperature_name(factor)
        name = f"{weights}-step-{step:08d}-count-{count}-temperature-{warmth}-seed-{seed}"
        output = ImageOutput(finished.folder.picture("samples", name), "picture")

    write_samples(finished, output, weights, count, factor, seed, as_asked(temperature), replace=force)
    say(f"written: {output.path}")
