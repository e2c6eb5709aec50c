"""A sweep from its plan to the printed results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from hvaedsl.diagnostics.errors import RunError, RunsFailed, WriteError
from hvaedsl_runtime.disk.run_folder import RUNS
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import write_whole
from hvaedsl_runtime.sweep.axes import file_word, short_names
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import SweepPlan
from hvaedsl_runtime.sweep.results import SweepResults, collect, write_results
from hvaedsl_runtime.sweep.tables import plan_text, results_text

if TYPE_CHECKING:
    from hvaedsl_runtime.sweep.driver import SweepSettings


def print_plan(plan: SweepPlan, as_json: bool) -> None:
    """Show what would be trained."""
    if as_json:
        sys.stdout.write(json_text(plan.model_dump(mode="json"), indent=2) + "\n")
    else:
        sys.stdout.write(plan_text(plan))


def default_folder(plan: SweepPlan) -> Path:
    """runs/sweeps/ with the model and what varies: another question is another sweep."""
    words = [plan.model, *short_names(plan.axes).values()]
    if any(point.matched for point in plan.points):
        words.append("matched")
    return RUNS / "sweeps" / file_word("-".join(words))


def carry_out(plan: SweepPlan, settings: SweepSettings, out: Path | None, *, as_json: bool) -> None:
    """Train what is not finished, then write and print the results: of a sweep that is stopped, those there are.

    Raises RunError as the sweep does; where runs failed, at the end, with the exit code of the first.
    """
    from hvaedsl_runtime.sweep.driver import Sweep

    folder = SweepFolder(default_folder(plan) if out is None else out)
    console = Console(file=sys.stderr if as_json else sys.stdout, highlight=False, soft_wrap=True)
    with folder.locked() as lock, going_on_told(settings.resume_command):
        added = folder.take(plan)
        console.print(plan_text(plan), markup=False)
        if added:
            console.print(f"added to the sweep in {folder.path}: {added}", markup=False)
        try:
            Sweep(plan, folder, settings, console.file)(lock)
        except RunError:
            with suppress(WriteError):  # what stopped the sweep says more
                write(collect(plan, folder), folder)
            raise
        results = collect(plan, folder)
        write(results, folder)
    text = json_text(results.to_dict(), indent=2) + "\n" if as_json else results_text(results)
    sys.stdout.write(text)
    console.print(f"written to {folder.path}: results.txt, .json, .csv, .png, .svg", markup=False)
    raise_failures(results, folder)


@contextmanager
def going_on_told(command: str) -> Iterator[None]:
    """Add to a WriteError how the sweep goes on."""
    try:
        yield
    except WriteError as error:
        raise error.then(f"go on with: {command}") from error


def write(results: SweepResults, folder: SweepFolder) -> None:
    """Write the table, the figures, and the plot once a run is finished."""
    write_results(results, folder)
    write_whole(folder.result("txt"), results_text(results))
    if results.finished:
        from hvaedsl_runtime.sweep.plot import draw

        draw(results, folder.result("png"), folder.result("svg"))


def raise_failures(results: SweepResults, folder: SweepFolder) -> None:
    """Raise RunError with the exit code of the first run that failed, if any did."""
    failed = [
        (result.point, seed, failure)
        for seed in results.plan.seeds
        for result in results.points
        if (failure := folder.failure(result.point, seed)) is not None
    ]
    if failed:
        lines = [f"{point.name}, seed {seed}: {failure.message}" for point, seed, failure in failed]
        count = len(results.plan.runs())
        raise RunsFailed(
            f"{len(failed)} of {count} runs failed\n  " + "\n  ".join(lines),
            help="--retry-failed tries them again",
            first=failed[0][2].exit_code,
        )
