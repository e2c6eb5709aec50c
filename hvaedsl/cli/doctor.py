"""`hvaedsl doctor`: say what went wrong with a run, and what to try."""

from __future__ import annotations

import typer

from hvaedsl.cli.extras import require_train
from hvaedsl.cli.options import Json, TextFormat, format_of
from hvaedsl.cli.trained_run import RunPath
from hvaedsl.diagnostics.streams import print_data, say


def doctor(run: RunPath, output_format: TextFormat = "text", as_json: Json = False) -> None:
    """Say what went wrong with a run, and what to try: damaged files, spikes, collapsed layers, overfitting.

    The folder is only read, also while the run is in training. Exit code 0 if nothing is wrong, 1 otherwise. See
    docs/stability.md for what the findings mean.

    Example: [bold]hvaedsl doctor runs/digits[/]
    """
    require_train("doctor")
    from hvaedsl_runtime.doctor.examination import examination_json, examination_lines, examine

    chosen = format_of(output_format, as_json)
    examination = examine(run)
    if chosen == "json":
        print_data(examination_json(examination))
    else:
        for line in examination_lines(examination):
            say(line)
    if examination.findings:
        raise typer.Exit(1)
