"""`hvaedsl sweep`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_key
from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import CustomFlag, Sets, SpecPath, allowed_custom, pairs
from hvaedsl.diagnostics.errors import UsageError


def sweep(
    spec: SpecPath,
    lets: Annotated[
        list[str] | None,
        typer.Option("--let", metavar="NAME=N,...", help="Vary a constant, e.g. --let n=1,2,3; one value fixes it."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Vary a key, e.g. --vary model.latent=8,16. Repeatable: more values.",
            autocompletion=complete_key,
        ),
    ] = None,
    sets: Sets = None,
    seeds: Annotated[str, typer.Option(metavar="N", help="Seeds 0 to N-1, or a list such as 0,3,7.")] = "1",
    steps: Annotated[str | None, typer.Option(metavar="N", help="Steps of each run: train.steps.")] = None,
    match: Annotated[
        bool, typer.Option("--match-parameters", help="Choose block counts that hold the parameters of the spec.")
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(metavar="N", help="Hold so many parameters instead, e.g. 39M; with --match-parameters."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder; else runs/sweeps/NAME, of the spec and what varies.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compile and show every point, and stop.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try runs again that failed before.")] = False,
    custom: CustomFlag = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    gpus: Annotated[int, typer.Option(min=1, metavar="N", help="Processes of each run, as for train.")] = 1,
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Where to compute; else a GPU where there is one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="CPU threads of each process.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download the images where they are missing.")] = False,
) -> None:
    """Train a spec at several points and seeds, one run after another, and compare them in a table and a plot.

    The same command again goes on where a sweep was stopped, and adds points and seeds that are new.

    Example: [bold]hvaedsl sweep specs/mnist_r.hvae --let n=1,2,3,5,10,20 --seeds 3 --steps 400[/]
    """
    from hvaedsl.program import CustomParts
    from hvaedsl_runtime.sweep.axes import let_axes, seeds_of, set_axes
    from hvaedsl_runtime.sweep.plan import SweepRequest, make_plan, parameters_of

    axes, fixed = let_axes(pairs(lets, "--let"))
    overrides = pairs(sets, "--set")
    if steps is not None:
        if "train.steps" in overrides:
            raise UsageError("--steps and --set train.steps both say how many steps")
        overrides["train.steps"] = steps
    request = SweepRequest(
        spec=spec,
        axes=[*axes, *set_axes(vary or ())],
        seeds=seeds_of(seeds),
        lets=fixed,
        sets=overrides,
        match=match,
        target=None if target is None else parameters_of(target),
        custom=allowed_custom(custom, spec) if dry_run else CustomParts(),  # training imports them in any case
    )
    plan = make_plan(request)
    if dry_run:
        from hvaedsl_runtime.sweep.command import print_plan

        print_plan(plan, as_json)
        return
    require_train("sweep")
    from hvaedsl_runtime.sweep.command import run_sweep
    from hvaedsl_runtime.sweep.driver import SweepSettings

    settings = SweepSettings(
        device=device,
        threads=threads,
        processes=gpus,
        download=download,
        retry_failed=retry_failed,
        resume_command=shlex.join(["hvaedsl", *sys.argv[1:]]),
    )
    run_sweep(plan, settings, out, as_json=as_json)
