"""`hvaedsl sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train


def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that hvaedsl train wrote.")],
    count: Annotated[int | None, typer.Option(min=1, metavar="N", help="How many images; else the spec's.")] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="Factor on the prior's standard deviation; else the spec's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Which images.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Where to; else into RUN/samples, named after the options.")
    ] = None,
    weights: Annotated[
        Literal["ema", "raw"], typer.Option(help="Averaged weights, or those of the last step.")
    ] = "ema",
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Where to compute; else a GPU where there is one.")
    ] = None,
) -> None:
    """Draw images from the prior of a trained model, as one picture.

    Example: [bold]hvaedsl sample runs/digits --count 16 --temperature 0.8 --output digits.png[/]
    """
    require_train("sample")
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl_runtime.disk.whole_files import refusals_explained
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.evaluate.pictures import save_samples

    if temperature is not None and not temperature > 0:
        raise UsageError(f"--temperature is above 0, not {temperature:g}")
    if output is not None and (output.suffix.lower() != ".png" or not output.parent.is_dir() or output.is_dir()):
        raise UsageError(f"--output names a .png file in a folder that exists, not {output}")
    finished = FinishedRun.open(run, device)
    spec = finished.program.spec
    count = count or spec.sample.count
    images = finished.sample(weights, count, temperature or spec.sample.temperature, seed)
    if output is None:
        step, warmth = finished.checkpoint.step, "spec" if temperature is None else f"{temperature:g}"
        name = f"{weights}-step-{step:08d}-count-{count}-temperature-{warmth}-seed-{seed}"
        output = finished.folder.picture("samples", name)
    with refusals_explained(output, "name another place with --output"):
        save_samples(output, images, spec)
    typer.echo(f"drawn: {output}")
