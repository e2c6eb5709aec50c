"""`hvaedsl check-theory`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train


def check_theory(
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Check on the images and the model of a run folder; else on digits."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, metavar="S", help="Of everything that is drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Annotated[
        Literal["cpu", "cuda"] | None,
        typer.Option(help="Where a run's model computes; else a GPU where there is one."),
    ] = None,
) -> None:
    """Check the paper's Theorems 2, 3, 5 and B.4 in numbers, beside controls that must fail.

    Exit code 0 where all hold, 1 where one does not. What is checked, and what is not: docs/theory.md.

    Example: [bold]hvaedsl check-theory --run runs/digits[/]
    """
    require_train("check-theory")
    from rich.console import Console

    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.theory.check_inputs import digits_inputs, run_inputs
    from hvaedsl_runtime.theory.check_report import WIDTH, checks_json, checks_report
    from hvaedsl_runtime.theory.checks import all_checks

    inputs = digits_inputs(seed) if run is None else run_inputs(FinishedRun.open(run, device), seed)
    checks = list(all_checks(inputs, seed))
    if as_json:
        typer.echo(checks_json(inputs.source, checks))
    else:
        console = Console(highlight=False)
        console.width = max(console.width, WIDTH)
        console.print(checks_report(inputs.source, checks))
    if not all(check.holds for check in checks):
        raise typer.Exit(1)
