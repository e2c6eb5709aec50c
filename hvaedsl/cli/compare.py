"""`hvaedsl compare`: compare runs trained on the same dataset: a table and curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.extras import DRAWING_PACKAGES, require_train
from hvaedsl.cli.options import Json, TextFormat, format_of
from hvaedsl.diagnostics.streams import print_data, say


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders written by hvaedsl train.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Output folder for curves, table and values.")
    ] = None,
    output_format: TextFormat = "text",
    as_json: Json = False,
) -> None:
    """Compare runs trained on the same dataset: a table and curves.

    Unfinished runs are included up to their last logged step. Runs on different images are rejected, because their
    likelihoods cannot be compared.

    Example: [bold]hvaedsl compare runs/digits runs/digits-deep --out comparison[/]
    """
    require_train("compare", *DRAWING_PACKAGES)
    from hvaedsl.report.terminal import console
    from hvaedsl_runtime.analysis.comparison import comparison_json, notes, open_runs, table, write_comparison
    from hvaedsl_runtime.disk.whole_files import made_folder

    json_wanted = format_of(output_format, as_json) == "json"
    opened = open_runs(runs)
    paths = [] if out is None else write_comparison(opened, made_folder(out))
    if json_wanted:
        print_data(comparison_json(opened))
    else:
        console().print(table(opened))
        for line in notes(opened):
            say(line)
    for path in paths:
        say(f"written: {path}", err=json_wanted)
