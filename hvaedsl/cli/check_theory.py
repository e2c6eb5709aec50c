"""`hvaedsl check-theory`: check Theorems 2, 3, 5 and B.4 of the paper numerically, next to controls that must fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Json, TextFormat, described, format_of
from hvaedsl.cli.trained_run import CheckpointName, Device
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.streams import print_data


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
    checkpoint: CheckpointName = None,
    device: Device = None,
) -> None:
    """Check Theorems 2, 3, 5 and B.4 of the paper numerically, next to controls that must fail.

    Exit code 0 if all hold, 1 otherwise. See docs/theory.md for what is checked and what is not.

    Example: [bold]hvaedsl check-theory --run runs/digits[/]
    """
    require_train("check-theory")
    from hvaedsl.report.terminal import console
    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.theory.check_inputs import digits_inputs, run_inputs
    from hvaedsl_runtime.theory.check_report import checks_json, checks_report
    from hvaedsl_runtime.theory.checks import all_checks

    chosen = format_of(output_format, as_json)
    if run is None and checkpoint is not None:
        raise UsageError("--checkpoint requires --run")
    inputs = digits_inputs(seed) if run is None else run_inputs(FinishedRun.open(run, device, checkpoint), seed)
    checks = list(all_checks(inputs, seed))
    if chosen == "json":
        print_data(checks_json(inputs.source, checks))
    else:
        console().print(checks_report(inputs.source, checks))

    if not all(check.holds for check in checks):
        raise typer.Exit(1)
