"""`hvaedsl convert`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Lets, Sets, pairs
from hvaedsl.diagnostics.errors import UsageError

INTO = "Files into a run folder: hvaedsl convert SPEC"
OUT_OF = "A run folder into a file: hvaedsl convert RUN --to FILE"


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|RUN",
            help="A .hvae file or the name of a shipped spec; with --to, a run.",
            autocompletion=complete_spec,
        ),
    ],
    raw: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", rich_help_panel=INTO, help="Weights of the last step: *-model.th."),
    ] = None,
    ema: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=INTO, help="Averaged weights: *-model-ema.th.")
    ] = None,
    optimizer: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=INTO, help="State of AdamW: *-opt.th. It starts anew without."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", rich_help_panel=INTO, help="The run folder; else runs/NAME.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", rich_help_panel=INTO, help="Steps taken; else as the files' names say."),
    ] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INTO,
            help="The data set whose published input shift and scale the weights belong to; else the spec's.",
        ),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", rich_help_panel=INTO, help="Processes that would resume the run; else 1."),
    ] = None,
    sets: Sets = None,
    lets: Lets = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=OUT_OF, help="A file in .safetensors or .th.")
    ] = None,
    weights: Annotated[
        Literal["ema", "raw"] | None,
        typer.Option(rich_help_panel=OUT_OF, help="Averaged weights, or those of the last step; else ema."),
    ] = None,
    names: Annotated[
        Literal["published", "ours"] | None,
        typer.Option(rich_help_panel=OUT_OF, help="Names of openai/vdvae, or of hvaedsl's modules; else published."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", rich_help_panel=OUT_OF, help="Replace FILE where it exists.")
    ] = False,
) -> None:
    """Read weight files into a run folder, or write a run's weights to a file.

    Read are the checkpoints of openai/vdvae (.th) and .safetensors, with the published names or hvaedsl's own.
    No code in them is run. The run folder serves eval, sample and train --resume.

    Example: [bold]hvaedsl convert cifar --ema cifar10-seed0-iter-900000-model-ema.th --out runs/published[/]

    Example: [bold]hvaedsl convert runs/published --to cifar.safetensors --names ours[/]
    """
    require_train("convert")
    into = {
        "--from": raw, "--ema": ema, "--optimizer": optimizer, "--out": out, "--step": step,
        "--trained-on": trained_on, "--gpus": gpus, "--set": sets, "--let": lets,
    }  # fmt: skip
    out_of = {"--weights": weights, "--names": names, "--force": force or None}
    if to is not None:
        _refuse(into, "reads files into a run folder, and --to writes a file: give one of them")
        _export(Path(source), to, weights or "ema", names or "published", replace=force)
        return
    _refuse(out_of, "goes with --to, which names the file to write")
    if raw is None and ema is None:
        raise UsageError(
            f"{source} is a folder: --to FILE writes its weights" if Path(source).is_dir()
            else "name the weights with --from, --ema or both; --to FILE writes those of a run folder"
        )  # fmt: skip
    from hvaedsl.program import CustomParts, load
    from hvaedsl_runtime.convert.conversion import Sources, import_weights
    from hvaedsl_runtime.disk.run_folder import RUNS

    program = load(source, sets=pairs(sets, "--set"), lets=pairs(lets, "--let"), custom=CustomParts())
    sources = Sources(raw, ema, optimizer, step, trained_on, gpus or 1)
    done = import_weights(program, sources, out or RUNS / program.name)
    parameters = f"{program.cost.parameters:,} parameters"
    typer.echo(f"written: {done.folder.path}, {program.name} after {done.state.step:,} steps, {parameters}")
    for note in done.notes:
        typer.echo(f"  {note}")
    typer.echo(f"next: hvaedsl eval {done.folder.path}")


def _export(
    run: Path, to: Path, weights: Literal["ema", "raw"], names: Literal["published", "ours"], *, replace: bool
) -> None:
    from hvaedsl_runtime.convert.conversion import export_weights

    count = export_weights(run, to, weights, names, replace=replace)
    typer.echo(f"written: {to}, {count:,} tensors")


def _refuse(options: Mapping[str, object], reason: str) -> None:
    given = next((name for name, value in options.items() if value is not None and value != []), None)
    if given is not None:
        raise UsageError(f"{given} {reason}")
