"""`hvaedsl reconstruct`: write the reconstructions of images by a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Force, described
from hvaedsl.cli.trained_run import CheckpointName, Device, RunPath, Weights
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.streams import say


def reconstruct(
    run: RunPath,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGES", help="A folder, image files, or a .npy file.")
    ] = None,
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="FILE|FOLDER/",
            help="Output: an array (.npz or .npy), a folder of PNG files (of .npy files for real values), or one "
            "picture of images and their reconstructions (.png).",
        ),
    ],
    split: Annotated[
        Literal["test", "validation"] | None,
        typer.Option("--split", help="Reconstruct a split of the run's dataset instead of IMAGES."),
    ] = None,
    draw: Annotated[
        bool, typer.Option("--draw", help="Draw latents from the posterior instead of taking its means.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="S", help=described("Seed for --draw.", "0"))
    ] = None,
    weights: Weights = "ema",
    checkpoint: CheckpointName = None,
    device: Device = None,
    force: Force = False,
) -> None:
    """Write the reconstructions of images by a trained model: the likelihood's mean, given the means of the posterior.

    Image files are fitted to the model as those of the run's dataset were.

    Example: [bold]hvaedsl reconstruct runs/faces photos --out reconstructions/[/]

    Example: [bold]hvaedsl reconstruct runs/faces --split test --out test.npz[/]
    """
    require_train("reconstruct")
    from hvaedsl_runtime.data.given_images import given_images, images_of_split
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.evaluate.image_output import ImageOutput
    from hvaedsl_runtime.evaluate.reconstructions import write_reconstructions

    if bool(images) == (split is not None):
        given = "both are given" if images else "neither is given"
        raise UsageError(f"the images to reconstruct are IMAGES or --split, and {given}", help="give one of them")
    if seed is not None and not draw:
        raise UsageError("--seed requires --draw; the means of the posterior are not drawn")
    output = ImageOutput.named(out)
    if any(output.path.exists() and path.exists() and output.path.samefile(path) for path in images or ()):
        raise UsageError(f"--out is {out}, one of the IMAGES", help=f"{output.instead}; it would be replaced")

    finished = FinishedRun.open(run, device, checkpoint)
    data, size = finished.program.spec.data, finished.program.spec.train.augment.random_crop
    named = images_of_split(data, split, size) if split is not None else given_images(images or (), data, size)
    for note in named.images.notes:
        say(note)
    write_reconstructions(finished, named, output, weights, (seed or 0) if draw else None, replace=force)
    if changes := named.changes():
        say(f"{counted(len(named), 'image')}: {changes}")
    say(f"written: {output.path}")
