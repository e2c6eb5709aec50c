"""`hvaedsl convert`: import weight files into a run folder, or write a run's weights to a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Lets, Sets, described, pairs
from hvaedsl.cli.trained_run import CheckpointName
from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.diagnostics.streams import say
from hvaedsl.ir.run_options import WEIGHT_SUFFIXES

INTO = "Weight files to run folder: hvaedsl convert SPEC"
OUT_OF = "Run folder to weight file: hvaedsl convert RUN --to FILE"


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|RUN",
            help="Spec file (.hvae) or name of a shipped spec; with --to, a run folder.",
            autocompletion=complete_spec,
        ),
    ],
    raw: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", rich_help_panel=INTO, help="Weights of the last step (*-model.th)."),
    ] = None,
    ema: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=INTO, help="Averaged weights (*-model-ema.th).")
    ] = None,
    optimizer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=INTO,
            help="AdamW state (*-opt.th). If omitted, the optimizer is re-initialized.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", rich_help_panel=INTO, help=described("Run folder.", "runs/NAME")),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=INTO,
            help=described("Number of steps the weights were trained.", "read from the file names"),
        ),
    ] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INTO,
            help=described("Dataset whose published input shift and scale the weights expect.", "data.dataset"),
        ),
    ] = None,
    sets: Sets = None,
    lets: Lets = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=OUT_OF, help=f"Weight file: {listing(WEIGHT_SUFFIXES)}."),
    ] = None,
    weights: Annotated[
        Literal["raw", "ema"] | None,
        typer.Option(
            rich_help_panel=OUT_OF,
            help=described("Weights of the last step (raw) or their exponential moving average (ema).", "ema"),
        ),
    ] = None,
    checkpoint: CheckpointName = None,
    names: Annotated[
        Literal["published", "ours"] | None,
        typer.Option(
            rich_help_panel=OUT_OF,
            help=described("Parameter names of openai/vdvae or of hvaedsl's modules.", "published"),
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", rich_help_panel=OUT_OF, help="Replace existing files.")] = False,
) -> None:
    """Import weight files into a run folder, or write a run's weights to a file.

    Supported files are the checkpoints of openai/vdvae (.th) and .safetensors, with the published parameter names or
    hvaedsl's. No code in them is executed. The run folder works with eval, sample and train --resume.

    Example: [bold]hvaedsl convert cifar --ema cifar10-seed0-iter-900000-model-ema.th --out runs/published[/]

    Example: [bold]hvaedsl convert runs/published --to cifar.safetensors --names ours[/]
    """
    require_train("convert")

    # Each option belongs to one of the two directions.
    into = {
        "--from": raw, "--ema": ema, "--optimizer": optimizer, "--out": out, "--step": step,
        "--trained-on": trained_on, "--set": sets, "--let": lets,
    }  # fmt: skip
    out_of = {"--weights": weights, "--checkpoint": checkpoint, "--names": names, "--force": force or None}
    if to is not None:
        _refuse(into, "imports into a run folder, but --to writes a weight file; remove one of them")
        _export(Path(source), to, weights or "ema", names or "published", checkpoint, replace=force)
        return

    _refuse(out_of, "needs --to FILE, the weight file to write")
    if raw is None and ema is None:
        raise UsageError(
            f"{source} is a folder; to write its weights to a file, add --to FILE" if Path(source).is_dir()
            else "no weights given; add --from, --ema or both, or --to FILE to write those of a run folder"
        )  # fmt: skip

    from hvaedsl.program import CustomParts, load
    from hvaedsl_runtime.convert.conversion import Sources, import_weights
    from hvaedsl_runtime.disk.run_folder import RUNS

    program = load(source, sets=pairs(sets, "--set"), lets=pairs(lets, "--let"), custom=CustomParts())
    sources = Sources(raw, ema, optimizer, step, trained_on)
    done = import_weights(program, sources, out or RUNS / program.name)

    parameters = f"{program.cost.parameters:,} parameters"
    say(f"written: {done.folder.path}, {program.name} after {done.state.step:,} steps, {parameters}")
    for note in done.notes:
        say(f"  {note}")
    say(f"next: {command_line('hvaedsl', 'eval', done.folder.path)}")


def _export(
    run: Path,
    to: Path,
    weights: Literal["ema", "raw"],
    names: Literal["published", "ours"],
    which: str | None,
    *,
    replace: bool,
) -> None:
    from hvaedsl_runtime.convert.conversion import export_weights

    count = export_weights(run, to, weights, names, which, replace=replace)
    say(f"written: {to}, {count:,} tensors")


def _refuse(options: Mapping[str, object], reason: str) -> None:
    given = next((name for name, value in options.items() if value is not None and value != []), None)
    if given is not None:
        raise UsageError(f"{given} {reason}")
