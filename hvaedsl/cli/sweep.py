"""`hvaedsl sweep`: train a spec at several points and seeds, or only print the plan."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hvaedsl.cli.completion import complete_key
from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import CustomFlag, Json, Sets, SpecPath, TextFormat, allowed_custom, format_of, pairs
from hvaedsl.cli.run_options import with_options
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.ir.run_options import SweepOptions


@with_options(SweepOptions)
def sweep(
    spec: SpecPath,
    lets: Annotated[
        list[str] | None,
        typer.Option("--let", metavar="NAME=N,...", help="Vary a constant, e.g. --let n=1,2,3. One value fixes it."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Vary a key, e.g. --vary model.latent=8,16. Repeat the option to add values.",
            autocompletion=complete_key,
        ),
    ] = None,
    sets: Sets = None,
    seeds: Annotated[str, typer.Option(metavar="N", help="Number of seeds (0 to N-1), or a list, e.g. 0,3,7.")] = "1",
    steps: Annotated[str | None, typer.Option(metavar="N", help="Steps of each run (train.steps).")] = None,
    match: Annotated[
        bool,
        typer.Option("--match-parameters", help="Choose block counts that match the number of parameters of the spec."),
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(metavar="N", help="With --match-parameters: number of parameters to match instead, e.g. 39M."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compile and show every point; train nothing.")] = False,
    custom: CustomFlag = False,
    output_format: TextFormat = "text",
    as_json: Json = False,
    **options: Any,
) -> None:
    """Train a spec at several points and seeds, one run after another, and compare them in a table and a plot.

    To resume an interrupted sweep, or to add points or seeds, run the command again.

    Example: [bold]hvaedsl sweep specs/mnist_r.hvae --let n=1,2,3,5,10,20 --seeds 3 --steps 400[/]
    """
    from hvaedsl.program import CustomParts
    from hvaedsl_runtime.sweep.axes import let_axes, seeds_of, set_axes
    from hvaedsl_runtime.sweep.plan import SweepRequest, make_plan, parameters_of

    json_wanted = format_of(output_format, as_json) == "json"
    axes, fixed = let_axes(pairs(lets, "--let"))
    overrides = pairs(sets, "--set")
    if steps is not None:
        if "train.steps" in overrides:
            raise UsageError("--steps and --set train.steps both set the number of steps; remove one of them")
        overrides["train.steps"] = steps

    request = SweepRequest(
        spec=spec,
        axes=[*axes, *set_axes(vary or ())],
        seeds=seeds_of(seeds),
        lets=fixed,
        sets=overrides,
        match=match,
        target=None if target is None else parameters_of(target),
        custom=allowed_custom(custom, spec) if dry_run else CustomParts(),  # training always imports custom code
    )
    plan = make_plan(request)
    if dry_run:
        from hvaedsl_runtime.sweep.command import print_plan

        print_plan(plan, json_wanted)
        return

    require_train("sweep")
    from hvaedsl_runtime.sweep.command import run_sweep
    from hvaedsl_runtime.sweep.driver import SweepSettings

    settings = SweepSettings(**options, resume_command=command_line("hvaedsl", *sys.argv[1:]))
    run_sweep(plan, settings, as_json=json_wanted)
