"""Several runs beside each other: curves over steps and time, and a table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

import hvaedsl
from hvaedsl.diagnostics.errors import RunNotFound, UsageError
from hvaedsl.ir.datasets import OWN
from hvaedsl.ir.spec import Spec
from hvaedsl_runtime.analysis.base import Drawing
from hvaedsl_runtime.analysis.collapse import COLLAPSED_KL_NATS
from hvaedsl_runtime.analysis.curves import (
    STEPS,
    Axis,
    collapsed_over_steps,
    draw_bound,
    drawn_bounds,
    evaluated_split,
    limit_to_later,
    time_axis,
)
from hvaedsl_runtime.analysis.figures import COLOURS, panels, style, whole_numbers
from hvaedsl_runtime.analysis.history import History, read_history
from hvaedsl_runtime.analysis.written import drawn, write_files
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.evaluate.units import Unit, reporting_unit

LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class ComparedRun:
    """A run, finished or not, by its spec and its log; its checkpoint is not needed."""

    label: str
    path: Path
    spec: Spec
    parameters: int
    depth: int
    history: History

    def row(self, unit: Unit) -> dict[str, str | int | float | None]:
        """What the table says of it; None for what it does not have yet. Likelihoods in the unit."""
        split = evaluated_split(self.history)
        bounds: dict[str, float | None] = {}
        for name in ("validation", "test"):
            for weights in ("raw", "ema"):
                found = self.history.last(name, weights)
                bounds[f"{name}_{weights}_{unit.key}"] = None if found is None else unit.of(found.loss_nats_per_dim)
        collapsed = [] if split is None else collapsed_over_steps(self.history, split, "raw").values.tolist()
        return {
            "run": self.label,
            "path": str(self.path),
            "parameters": self.parameters,
            "depth": self.depth,
            "steps": self.history.last_step,
            "wall_seconds": self.history.wall_seconds,
            "seed": self.spec.train.seed,
            **bounds,
            "collapsed_layers": int(collapsed[-1]) if collapsed else None,
        }


def open_runs(paths: Sequence[Path]) -> list[ComparedRun]:
    """The runs in these folders, labelled by their folders' names, or by their paths where names come twice.

    Raises UsageError for less than two folders, for one given twice, and where the likelihoods of two runs cannot be
    compared; RunError (5) for a folder without a run; SpecError for a run's spec that does not compile.
    """
    if len(paths) < 2:
        raise UsageError("compare takes two runs or more")
    places = [path.resolve() for path in paths]
    for place, count in Counter(places).items():
        if count > 1:
            raise UsageError(f"{place} is given twice")
    names = Counter(place.name for place in places)
    runs = [
        _open(path, place.name if names[place.name] == 1 else str(path))
        for path, place in zip(paths, places, strict=True)
    ]
    for run in runs[1:]:
        check_comparable(runs[0], run)
    return runs


def check_comparable(one: ComparedRun, other: ComparedRun) -> None:
    """Raise UsageError, naming the keys, where the likelihoods of two runs are not of the same images."""
    then, now = _images(one.spec), _images(other.spec)
    differences = [f"{key} is {then[key]} and {now[key]}" for key in then if then[key] != now[key]]
    if differences:
        raise UsageError(
            f"{one.label} and {other.label} cannot be compared: their likelihoods are not of the same images; "
            + "; ".join(differences)
        )


def notes(runs: Sequence[ComparedRun]) -> list[str]:
    """What a reader should know before trusting small differences."""
    found = []
    held_out = {(run.spec.data.validation, run.spec.data.split_seed) for run in runs}
    if len(held_out) > 1:
        found.append(
            "The runs hold out different validation images (data.validation, data.split_seed): hold their validation "
            "curves against each other only roughly."
        )
    if len({run.spec.data.split_seed for run in runs}) > 1 and runs[0].spec.data.binarize == "dynamic":
        found.append("Their test images are binarised by different draws (data.split_seed).")
    unfinished = [run.label for run in runs if run.history.last("test", "raw") is None]
    if unfinished:
        found.append(f"Not finished, and so without a test likelihood: {', '.join(unfinished)}.")
    return found


def table(runs: Sequence[ComparedRun]) -> Table:
    """The runs, a row each."""
    unit = reporting_unit(runs[0].spec)
    shown = Table(title=f"{_image_set(runs[0].spec)}, {unit.label}", title_justify="left")
    shown.add_column("run", overflow="fold")
    for heading in ("parameters", "depth", "steps", "time", "validation", "test, raw", "test, EMA", "collapsed"):
        shown.add_column(heading, justify="right")
    for run in runs:
        row = run.row(unit)
        figures = [row[f"{name}_{unit.key}"] for name in ("validation_raw", "test_raw", "test_ema")]
        shown.add_row(
            run.label,
            f"{run.parameters:,}",
            str(run.depth),
            f"{run.history.last_step:,}",
            _duration(run.history.wall_seconds),
            *("" if figure is None else f"{figure:.4f}" for figure in figures),
            "" if row["collapsed_layers"] is None else f"{row['collapsed_layers']} of {run.depth}",
        )
    return shown


def write_comparison(runs: Sequence[ComparedRun], folder: Path) -> list[Path]:
    """compare.json (rows and notes), compare.csv (every value drawn) and the figures; RunError (5): cannot write."""
    unit = reporting_unit(runs[0].spec)
    document = {
        "dataset": runs[0].spec.data.dataset,
        "unit": unit.key,
        "collapsed_below_kl_nats": COLLAPSED_KL_NATS,
        "runs": [run.row(unit) for run in runs],
        "notes": notes(runs),
    }
    with style():
        drawings = drawings_of(runs, unit)
    files: list[tuple[str, str | bytes]] = [
        ("compare.json", json_text(document, indent=2) + "\n"),
        ("compare.csv", csv_text(runs, unit)),
    ]
    return write_files(folder, [*files, *drawn(drawings)])


def drawings_of(runs: Sequence[ComparedRun], unit: Unit) -> tuple[Drawing, ...]:
    """The likelihood over steps and over time; collapsed layers over steps where some run has logged them."""
    longest = max(run.history.wall_seconds for run in runs)
    drawings = [
        Drawing("compare", draw_bounds(runs, unit, (STEPS, time_axis(longest))), "Likelihood over steps and time.")
    ]
    if any(_collapsed(run) for run in runs):
        drawings.append(Drawing("compare-collapsed", draw_collapsed(runs), "Collapsed layers over steps."))
    return tuple(drawings)


def draw_bounds(runs: Sequence[ComparedRun], unit: Unit, axes: Sequence[Axis]) -> Figure:
    """A panel for each axis: training batches, smoothed and faint; evaluations of the weights of the step."""
    figure, (by_steps, by_time) = panels(2, height_inches=2.8)
    for panel, axis in zip((by_steps, by_time), axes, strict=True):
        for number, run in enumerate(runs):
            colour, line = _look(number)
            smoothed = run.history.loss_nats_per_dim.smoothed()
            panel.plot(
                axis.of(smoothed),
                smoothed.values * unit.per_nat_per_dim,
                color=colour,
                linestyle=line,
                alpha=0.35,
                linewidth=0.9,
            )
            bounds = run.history.bounds(evaluated_split(run.history) or "validation", "raw")
            draw_bound(panel, axis, bounds, unit, colour, run.label if axis is STEPS else "", line, marker="o")
        limit_to_later(panel, [found for run in runs for found in drawn_bounds(run.history)], unit)
        panel.set_xlabel(axis.label)
        panel.set_ylabel(unit.label)
        panel.set_xlim(left=0)
    whole_numbers(by_steps.xaxis)
    figure.legend(loc="outside upper center", ncols=min(4, len(runs)))
    return figure


def draw_collapsed(runs: Sequence[ComparedRun]) -> Figure:
    """The number of collapsed layers, raw weights, over steps."""
    figure, (panel,) = panels(height_inches=2.6)
    for number, run in enumerate(runs):
        split = evaluated_split(run.history)
        if split is not None and _collapsed(run):
            found = collapsed_over_steps(run.history, split, "raw")
            colour, line = _look(number)
            panel.plot(
                found.steps, found.values, color=colour, linestyle=line, marker="o", markersize=3.5, label=run.label
            )
    panel.set_ylim(bottom=0)
    panel.set_xlim(left=0)
    whole_numbers(panel.xaxis)
    whole_numbers(panel.yaxis)
    panel.set_xlabel("step")
    panel.set_ylabel("collapsed layers")
    panel.legend()
    return figure


def csv_text(runs: Sequence[ComparedRun], unit: Unit) -> str:
    """One line for every logged training step and evaluation; a value that was not finite is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "split", "weights", "step", "wall_seconds", unit.key))
    for run in runs:
        curves = [("train", "raw", run.history.loss_nats_per_dim)]
        curves += [(*key, run.history.bounds(*key)) for key in run.history.evaluations]
        for split, weights, found in curves:
            for step, seconds, value in zip(found.steps, found.wall_seconds, found.values, strict=True):
                shown = "" if value != value else repr(float(value) * unit.per_nat_per_dim)
                writer.writerow((run.label, split, weights, int(step), float(seconds), shown))
    return text.getvalue()


def _open(path: Path, label: str) -> ComparedRun:
    folder = RunFolder(path)
    if not path.is_dir():
        raise RunNotFound(f"{path}: no such folder", help="name folders that hvaedsl train wrote")
    if not folder.spec.is_file():
        raise RunNotFound(
            f"{path}: no run, {folder.spec.name} is missing", help="name folders that hvaedsl train wrote"
        )
    program = hvaedsl.load(folder.spec)
    cost = program.cost
    return ComparedRun(label, path, program.spec, cost.parameters, cost.stochastic_depth, read_history(folder.metrics))


def _images(spec: Spec) -> dict[str, object]:
    """What makes two likelihoods likelihoods of the same images, by key."""
    data = spec.data
    keys: dict[str, object] = {
        "data.dataset": data.dataset,
        "data.resolution": data.resolution,
        "data.channels": data.channels,
        "data.levels": data.levels,
        "data.binarize": data.binarize,
        "the bits of model.likelihood": spec.model.likelihood.bits or "all",
        "the unit": reporting_unit(spec).label,
    }
    if data.dataset in OWN:
        keys["data.path"] = data.path
    return keys


def _image_set(spec: Spec) -> str:
    binarised = f", binarised ({spec.data.binarize})" if spec.data.binarize != "none" else ""
    return f"{spec.data.dataset} {spec.data.resolution}x{spec.data.resolution}{binarised}"


def _collapsed(run: ComparedRun) -> bool:
    split = evaluated_split(run.history)
    return split is not None and len(collapsed_over_steps(run.history, split, "raw").steps) > 0


def _look(number: int) -> tuple[str, str]:
    """Colour and line of a run; beyond the colours, they begin anew with another line."""
    return COLOURS[number % len(COLOURS)], LINES[number // len(COLOURS) % len(LINES)]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
