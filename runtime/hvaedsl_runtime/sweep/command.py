"""The command `hvaedsl sweep`: from a plan to the printed results. Printing a plan does not import torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.diagnostics.errors import Diverged, NoUpdate, RunError, RunsFailed, UsageError, WriteError
from hvaedsl.diagnostics.streams import print_data, say
from hvaedsl.report.terminal import console
from hvaedsl_runtime.disk.run_folder import RUNS
from hvaedsl_runtime.disk.strict_json import json_text, model_text
from hvaedsl_runtime.disk.whole_files import write_whole
from hvaedsl_runtime.drawing import import_matplotlib
from hvaedsl_runtime.sweep.axes import short_names, slug
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import SweepPlan
from hvaedsl_runtime.sweep.results import SweepResults, collect, write_results
from hvaedsl_runtime.sweep.tables import plan_table, results_table, results_text

if TYPE_CHECKING:
    from hvaedsl_runtime.sweep.driver import SweepSettings

# Failures that the same seed and settings repeat at the same step, with what the point does then and what changes it.
REPEATED = {
    Diverged.__name__: ("diverged diverges again", "set train.skip_above or lower train.learning_rate"),
    NoUpdate.__name__: ("applied no update applies none again", "raise train.skip_above or lower train.learning_rate"),
}


def print_plan(plan: SweepPlan, as_json: bool) -> None:
    """Print the plan, as a table or as JSON."""
    if as_json:
        print_data(model_text(plan, indent=2))
    else:
        console().print(plan_table(plan))


def default_folder(plan: SweepPlan) -> Path:
    """The default folder, runs/sweeps/NAME, where NAME is made from the model and the axes."""
    words = [plan.model, *short_names(plan.axes).values()]
    if any(point.matched for point in plan.points):
        words.append("matched")
    return RUNS / "sweeps" / slug("-".join(words))


def run_sweep(plan: SweepPlan, settings: SweepSettings, *, as_json: bool) -> None:
    """Train the runs that are not finished, then write and print the results.

    If the sweep is stopped, the results so far are written. Raises as `Sweep` and `SweepFolder` do, and RunsFailed at
    the end if runs failed.
    """
    from hvaedsl_runtime.sweep.driver import Sweep

    folder = SweepFolder(default_folder(plan) if settings.out is None else settings.out)
    screen = console(err=as_json)
    with folder.locked() as lock, resume_help(settings.resume_command):
        added = folder.claim(plan)
        screen.print(plan_table(plan))
        if added:
            say(f"added to the sweep in {folder.path}: {added}", err=as_json)

        try:
            Sweep(plan, folder, settings, sys.stderr if as_json else sys.stdout)(lock)
        except (RunError, UsageError):
            with suppress(WriteError):  # the error that stopped the sweep says more
                write_files(collect(plan, folder), folder)
            raise
        results = collect(plan, folder)
        write_files(results, folder)

    if as_json:
        print_data(json_text(results.to_dict(), indent=2))
    else:
        screen.print(results_table(results))
    say(f"written to {folder.path}: results.txt, .json, .csv, .png, .svg", err=as_json)
    raise_failures(results, folder)


@contextmanager
def resume_help(command: str) -> Iterator[None]:
    """Add the command that resumes the sweep to a WriteError."""
    try:
        yield
    except WriteError as error:
        raise error.then(f"resume with: {command}") from error


def write_files(results: SweepResults, folder: SweepFolder) -> None:
    """Write the results as JSON, CSV and a table, and the plot if any run is finished. Raises WriteError."""
    write_results(results, folder)
    write_whole(folder.result("txt"), results_text(results))
    if results.finished:
        import_matplotlib()
        from hvaedsl_runtime.sweep.plot import draw

        draw(results, folder.result("png"), folder.result("svg"))


def raise_failures(results: SweepResults, folder: SweepFolder) -> None:
    """Raise RunsFailed, with the exit code of the first failed run, if any run failed."""
    failed = [
        (result.point, seed, failure)
        for seed in results.plan.seeds
        for result in results.points
        if (failure := folder.failure(result.point, seed)) is not None
    ]
    if failed:
        lines = [f"{point.name}, seed {seed}: {failure.error().headline}" for point, seed, failure in failed]
        count = len(results.plan.runs())
        raise RunsFailed(
            f"{len(failed)} of {count} runs failed\n  " + "\n  ".join(lines),
            help="; ".join(ways_on({failure.kind for _, _, failure in failed})),
            first=failed[0][2].exit_code,
        )


def ways_on(kinds: Set[str]) -> Iterator[str]:
    """What to do after failures of these kinds. A run without chance to end in another way is not to be retried."""
    if kinds - REPEATED.keys():
        yield "run the sweep again with --retry-failed" + (
            ", for the other failures" if kinds & REPEATED.keys() else ""
        )
    for kind, (what, remedy) in REPEATED.items():
        if kind in kinds:
            yield (
                f"a point that {what} with the same seed and settings: remove its value, {remedy}, and sweep into "
                "another folder with --out"
            )
