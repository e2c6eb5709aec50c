"""`hvaedsl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.extras import require_train


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that hvaedsl train wrote.")],
    split: Annotated[Literal["test", "validation"], typer.Option(help="Which images.")] = "test",
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Where to compute; else a GPU where there is one.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time; else the spec's.")] = None,
) -> None:
    """Evaluate the last checkpoint of a run on every image of a split, with raw and averaged weights.

    The result is also written to RUN/eval_SPLIT.json.

    Example: [bold]hvaedsl eval runs/digits --split validation[/]
    """
    require_train("eval")
    from rich.console import Console

    from hvaedsl_runtime.evaluate.finished_run import FinishedRun
    from hvaedsl_runtime.evaluate.results import results_table

    finished = FinishedRun.open(run, device)
    bounds = finished.evaluate(split, batch_size)
    title = f"{run}: {split} images after {finished.checkpoint.step} steps"
    console = Console(highlight=False)
    console.width = max(console.width, 80)  # a narrower terminal wraps lines, and no figure is cut
    console.print(results_table(finished.program.spec, title, bounds))
    finished.write_evaluation(split, bounds)  # last: where it cannot be written, it was printed
