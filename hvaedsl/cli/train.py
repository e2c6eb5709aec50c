"""`hvaedsl train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Lets, Sets, SpecPath, pairs


def train(
    spec: SpecPath,
    gpus: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes, one for each GPU; --device cpu runs them on the CPU.")
    ] = 1,
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Where to compute; else a GPU where there is one.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run folder; else runs/NAME.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, from its last checkpoint, or begin it.")
    ] = False,
    download: Annotated[bool, typer.Option("--download", help="Download the images where they are missing.")] = False,
    wandb: Annotated[
        Literal["off", "online", "offline"], typer.Option(help="Log to Weights & Biases as well.")
    ] = "off",
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="CPU threads of each process.")] = None,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Train a spec, and report its test likelihood with raw and averaged weights.

    The run folder gets the resolved spec, metrics.jsonl, checkpoints, pictures and summary.json. Ctrl-C saves a
    checkpoint first.

    Example: [bold]hvaedsl train specs/digits.hvae --set train.steps=2000 --out runs/digits[/]
    """
    require_train("train")
    from hvaedsl.program import CustomParts, load
    from hvaedsl_runtime.disk.run_folder import RUNS, RunFolder
    from hvaedsl_runtime.launch.local import launch
    from hvaedsl_runtime.train.settings import RunSettings

    part_folders = RunFolder(Path(spec).parent).part_folders()  # where the spec is that of a run folder
    program = load(spec, sets=pairs(sets, "--set"), lets=pairs(lets, "--let"), custom=CustomParts(part_folders))
    if program.advice:
        typer.echo(f"advice: {len(program.advice)}; read it with `hvaedsl lint {spec}`", err=True)
    settings = RunSettings(
        out=out or RUNS / program.name, resume=resume, device=device, download=download, wandb=wandb, threads=threads
    )
    launch(program, settings, gpus)
