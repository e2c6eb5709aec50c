"""`hvaedsl check-theory`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Json, TextFormat, described, format_of
from hvaedsl.cli.trained_run import Device


def check_theory(
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help=described("Run folder whose images and model are checked.", "the digits dataset")
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, metavar="S", help="Seed for all random draws.")] = 0,
    output_format: TextFormat = "text",
    as_json: Json = False,
    device: Device = None,
) -> None:
    """Check Theorems 2, 3, 5 and B.4 of the paper numerically, next to controls that must fail.

    Exit code 0 if all hold, 1 otherwise. See docs/theory.md for what is checked and what is not.

    Example: [bold]hvaedsl check-theory --run runs/digits[/]
    """
    require_train("check-theory")
    from rich.console import Console

    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.theory.checks import all_checks
    from hvaedsl_runtime.theory.material import digits_material, run_material
    from hvaedsl_runtime.theory.report import WIDTH, checks_json, checks_report

    chosen = format_of(output_format, as_json)
    material = digits_material(seed) if run is None else run_material(FinishedRun.open(run, device), seed)
    checks = list(all_checks(material, seed))
    if chosen == "json":
        typer.echo(checks_json(material.source, checks))
    else:
        console = Console(highlight=False)
        console.width = max(console.width, WIDTH)
        console.print(checks_report(material.source, checks))

    if not all(check.holds for check in checks):
        raise typer.Exit(1)
