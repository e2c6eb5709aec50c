"""`hvaedsl compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.extras import DRAWING_PACKAGES, require_train


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders that hvaedsl train wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Also write curves, table and values there.")
    ] = None,
) -> None:
    """Hold runs on the same images against each other: a table, and curves over steps and over time.

    Unfinished runs are taken as far as they have come. Runs on different images are refused: their likelihoods say
    nothing of each other.

    Example: [bold]hvaedsl compare runs/digits runs/digits-deep --out comparison[/]
    """
    require_train("compare", *DRAWING_PACKAGES)
    from rich.console import Console

    from hvaedsl_runtime.analysis.comparison import notes, open_runs, table, write_comparison
    from hvaedsl_runtime.disk.whole_files import made_folder

    opened = open_runs(runs)
    paths = [] if out is None else write_comparison(opened, made_folder(out))
    console = Console(highlight=False)
    console.width = max(console.width, 120)  # a narrower terminal wraps lines, and no figure is cut
    console.print(table(opened))
    for line in notes(opened):
        typer.echo(line)
    for path in paths:
        typer.echo(f"written: {path}")
