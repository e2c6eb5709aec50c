"""Comparison of several runs: a table, and curves over steps and time."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.data_spec import OF_LEVELS
from hvaedsl.ir.datasets import USER_IMAGES
from hvaedsl.ir.hub import HUB_KEYS, is_hub
from hvaedsl.ir.image_size import size_text
from hvaedsl.ir.spec import Spec
from hvaedsl.report.grid import Column, Grid
from hvaedsl_runtime.analysis.base import Drawing
from hvaedsl_runtime.analysis.curves import (
    STEPS,
    Axis,
    bounds_for_limits,
    collapsed_over_steps,
    draw_bound,
    evaluated_split,
    limit_to_later_steps,
    time_axis,
)
from hvaedsl_runtime.analysis.figures import COLORS, panels, style, whole_numbers
from hvaedsl_runtime.analysis.history import History, read_history
from hvaedsl_runtime.analysis.result_files import drawing_files, write_files
from hvaedsl_runtime.data import Fingerprint, differences
from hvaedsl_runtime.disk.run_folder import require_run
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.drawing import as_label
from hvaedsl_runtime.evaluate.latent_use import COLLAPSED_KL_NATS
from hvaedsl_runtime.evaluate.units import Gives, Unit, common_gives, recorded, reporting_unit

LINE_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class ComparedRun:
    """A run, finished or not, with its spec and its log; its checkpoint is not needed."""

    label: str
    path: Path
    spec: Spec
    parameters: int
    depth: int
    history: History
    test_images: Fingerprint | None = None  # as the run recorded them; None for a run of an earlier version

    def row(self, unit: Unit) -> dict[str, str | int | float | None]:
        """The row of the run in the table, with likelihoods in `unit`; None for values that it does not have yet."""
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
    """Open the runs in these folders, labeled by the names of the folders, or by their paths if a name is not unique.

    Raises UsageError for fewer than two folders, for duplicates, and if the likelihoods of two runs are not comparable;
    RunNotFound if a folder has no run; DamagedRun if a log cannot be read; SpecError if a spec does not compile.
    """
    if len(paths) < 2:
        raise UsageError(f"compare got {len(paths)} run{'s' * (len(paths) != 1)}; it needs two or more")

    places = [path.resolve() for path in paths]
    for place, count in Counter(places).items():
        if count > 1:
            raise UsageError(f"{place} is given {count} times; pass each run once")

    names = Counter(place.name for place in places)
    runs = [
        _open_run(path, place.name if names[place.name] == 1 else str(path))
        for path, place in zip(paths, places, strict=True)
    ]

    for run in runs[1:]:
        check_comparable(runs[0], run)
    return runs


def check_comparable(one: ComparedRun, other: ComparedRun) -> None:
    """Raise UsageError if two runs were not trained on the same images, or one has a density and the other a mass."""
    ours, theirs = _image_keys(one.spec), _image_keys(other.spec)
    # A key that one of them lacks follows from another that differs.
    both = [key for key in ours if key in theirs]
    differences = [f"{key} is {ours[key]} and {theirs[key]}" for key in both if ours[key] != theirs[key]]
    if differences:
        raise UsageError(
            f"{one.label} and {other.label} cannot be compared, because their images differ: " + "; ".join(differences),
            help="compare runs with the same dataset and preprocessing",
        )
    densities = [run.label for run in (one, other) if run.history.gives == "density"]
    if len(densities) == 1:
        raise UsageError(
            f"{one.label} and {other.label} cannot be compared: the likelihood of {densities[0]} gives a density, and "
            "that of the other does not",
            help="compare densities with densities, and masses with masses",
        )


def notes(runs: Sequence[ComparedRun]) -> list[str]:
    """Notes for readers of the table: differences between the runs that affect the comparison."""
    found = []
    held_out = {(run.spec.data.validation, run.spec.data.split_seed) for run in runs}
    if len(held_out) > 1:
        found.append(
            "The runs have different validation images (data.validation, data.split_seed): their validation curves are "
            "only roughly comparable."
        )

    if len({run.spec.data.split_seed for run in runs}) > 1 and runs[0].spec.data.binarize == "dynamic":
        found.append("The test images are binarized with different seeds (data.split_seed).")

    recorded = {"test": runs[0].test_images} if runs[0].test_images else {}
    others = [run.label for run in runs[1:] if run.test_images and differences(recorded, {"test": run.test_images})]
    if others:
        names = ", ".join(others)
        found.append(f"{runs[0].label} has other test images than {names}: their test likelihoods cannot be compared.")

    unstated = [run.label for run in runs if run.history.gives == "not stated"]
    if 0 < len(unstated) < len(runs):
        found.append(f"Not stated to be a mass, as the others are: the likelihood of {', '.join(unstated)}.")

    unfinished = [run.label for run in runs if run.history.last("test", "raw") is None]
    if unfinished:
        found.append(f"Unfinished runs, without a test likelihood: {', '.join(unfinished)}.")

    diverged = [run.label for run in runs if run.history.has_diverged]
    if diverged:
        found.append(f"Diverged runs, whose last logged likelihood is not finite: {', '.join(diverged)}.")
    return found


def table(runs: Sequence[ComparedRun]) -> Grid:
    """The table of the runs, one row each."""
    unit = reporting_unit(runs[0].spec)
    headings = ("parameters", "depth", "steps", "time", "validation", "test, raw", "test, EMA", "collapsed")
    comparison = Grid(
        title=f"{_image_set(runs[0].spec)}, {unit.label_of(_gives(runs))}",
        columns=[Column("run", words=True, fold=20), *map(Column, headings)],
        framed=True,
    )

    for run in runs:
        row = run.row(unit)
        figures = [row[f"{name}_{unit.key}"] for name in ("validation_raw", "test_raw", "test_ema")]
        comparison.add(
            run.label,
            f"{run.parameters:,}",
            str(run.depth),
            f"{run.history.last_step:,}",
            _duration(run.history.wall_seconds),
            *("" if figure is None else f"{figure:.4f}" for figure in figures),
            "" if row["collapsed_layers"] is None else f"{row['collapsed_layers']} of {run.depth}",
        )
    return comparison


def comparison_json(runs: Sequence[ComparedRun]) -> str:
    """Rows and notes as JSON text."""
    unit = reporting_unit(runs[0].spec)
    document = {
        "dataset": runs[0].spec.data.dataset,
        "unit": unit.key,
        **recorded(_gives(runs)),
        "collapsed_below_kl_nats": COLLAPSED_KL_NATS,
        "runs": [run.row(unit) for run in runs],
        "notes": notes(runs),
    }
    return json_text(document, indent=2) + "\n"


def write_comparison(runs: Sequence[ComparedRun], folder: Path) -> list[Path]:
    """Write compare.json (rows and notes), compare.csv (the values of all curves) and the figures; return the paths.

    Raises WriteError.
    """
    unit = reporting_unit(runs[0].spec)
    with style():
        drawings = draw_comparison(runs, unit)
    files: list[tuple[str, str | bytes]] = [
        ("compare.json", comparison_json(runs)),
        ("compare.csv", csv_text(runs, unit)),
    ]
    return write_files(folder, [*files, *drawing_files(drawings)])


def draw_comparison(runs: Sequence[ComparedRun], unit: Unit) -> tuple[Drawing, ...]:
    """The likelihood over steps and time, and the collapsed layers over steps if some run has logged them."""
    longest = max(run.history.wall_seconds for run in runs)
    bounds = draw_bounds(runs, unit, (STEPS, time_axis(longest)))
    drawings = [Drawing("compare", bounds, "Likelihood over steps and time.")]
    if any(_has_collapsed(run) for run in runs):
        drawings.append(Drawing("compare-collapsed", draw_collapsed(runs), "Collapsed layers over steps."))
    return tuple(drawings)


def draw_bounds(runs: Sequence[ComparedRun], unit: Unit, axes: Sequence[Axis]) -> Figure:
    """One panel per axis: training batches, smoothed, as light lines, and evaluations with the weights of the step."""
    figure, (by_steps, by_time) = panels(2, height_inches=2.8)

    for panel, axis in zip((by_steps, by_time), axes, strict=True):
        for number, run in enumerate(runs):
            color, line = _line_style(number)
            smoothed = run.history.loss_nats_per_dim.smoothed()
            panel.plot(
                axis.of(smoothed),
                smoothed.values * unit.per_nat_per_dim,
                color=color,
                linestyle=line,
                alpha=0.35,
                linewidth=0.9,
            )
            bounds = run.history.bounds(evaluated_split(run.history) or "validation", "raw")
            draw_bound(panel, axis, bounds, unit, color, as_label(run.label) if axis is STEPS else "", line, marker="o")

        limit_to_later_steps(panel, [bound for run in runs for bound in bounds_for_limits(run.history)], unit)
        panel.set_xlabel(axis.label)
        panel.set_ylabel(unit.label_of(_gives(runs)))
        panel.set_xlim(left=0)

    whole_numbers(by_steps.xaxis)
    figure.legend(loc="outside upper center", ncols=min(4, len(runs)))
    return figure


def draw_collapsed(runs: Sequence[ComparedRun]) -> Figure:
    """The number of collapsed layers over steps, with raw weights."""
    figure, (panel,) = panels(height_inches=2.6)

    for number, run in enumerate(runs):
        split = evaluated_split(run.history)
        if split is not None and _has_collapsed(run):
            found = collapsed_over_steps(run.history, split, "raw")
            color, line = _line_style(number)
            panel.plot(
                found.steps,
                found.values,
                color=color,
                linestyle=line,
                marker="o",
                markersize=3.5,
                label=as_label(run.label),
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
    """CSV text with one line per logged training step and evaluation; values that are not finite are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "split", "weights", "step", "wall_seconds", unit.key))

    for run in runs:
        curves = [("train", "raw", run.history.loss_nats_per_dim)]
        curves += [(*key, run.history.bounds(*key)) for key in run.history.evaluations]
        for split, weights, found in curves:
            for step, seconds, value in zip(found.steps, found.wall_seconds, found.values, strict=True):
                text_of_value = "" if np.isnan(value) else repr(float(value) * unit.per_nat_per_dim)
                writer.writerow((run.label, split, weights, int(step), float(seconds), text_of_value))
    return text.getvalue()


def _open_run(path: Path, label: str) -> ComparedRun:
    folder = require_run(path)
    program = hvaedsl.load(folder.spec)
    cost = program.cost
    history, test_images = read_history(folder.metrics), folder.recorded_images().get("test")
    return ComparedRun(label, path, program.spec, cost.parameters, cost.stochastic_depth, history, test_images)


def _image_keys(spec: Spec) -> dict[str, object]:
    """The values that determine the images of a likelihood, by key."""
    data = spec.data
    keys: dict[str, object] = {
        "data.dataset": data.dataset,
        "data.resolution": data.resolution,
        "data.channels": data.channels,
        "data.values": data.values,
        "model.likelihood (bits)": spec.model.likelihood.bits or "all",
        "unit": reporting_unit(spec).label,
    }
    if not data.is_real:
        keys |= {f"data.{key}": getattr(data, key) for key in OF_LEVELS}
    if data.dataset in USER_IMAGES or is_hub(data.dataset):
        keys["data.path"] = data.path
    if is_hub(data.dataset):
        keys |= {f"data.{key}": getattr(data, key) for key in HUB_KEYS}
    return keys


def _gives(runs: Sequence[ComparedRun]) -> Gives:
    """What the likelihoods of all runs compute."""
    return common_gives(run.history.gives for run in runs)


def _image_set(spec: Spec) -> str:
    binarized = f", binarized ({spec.data.binarize})" if spec.data.binarize != "none" else ""
    return f"{spec.data.dataset} {size_text(spec.data.height, spec.data.width)}{binarized}"


def _has_collapsed(run: ComparedRun) -> bool:
    """Whether the log has the KL of the layers, from which collapsed layers are counted."""
    split = evaluated_split(run.history)
    return split is not None and len(collapsed_over_steps(run.history, split, "raw").steps) > 0


def _line_style(number: int) -> tuple[str, str]:
    """Color and line style of a run; when the colors are used up, they repeat with another line style."""
    return COLORS[number % len(COLORS)], LINE_STYLES[number // len(COLORS) % len(LINE_STYLES)]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
