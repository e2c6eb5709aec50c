"""Plot a sweep: likelihood, parameters and time per step over the first axis; likelihood over training time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvaedsl_runtime.disk.whole_files import put_in_place
from hvaedsl_runtime.drawing import as_label, own_settings
from hvaedsl_runtime.evaluate.results import WEIGHTS
from hvaedsl_runtime.sweep.axes import short_names
from hvaedsl_runtime.sweep.results import PointResult, RunResult, Spread, SweepResults
from hvaedsl_runtime.sweep.tables import unit_label

# The palette of Okabe and Ito, which is color-blind safe.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^vP*X"
LOG_FROM = 8.0  # a numeric axis that spans at least this factor is logarithmic
MAX_LABEL_LENGTH = 22
SHIFT = 0.12  # between lines, on an axis that is not numeric
DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Line:
    """The points that differ only in the value of the first axis, in its order."""

    label: str
    points: tuple[PointResult, ...]
    color: str
    marker: str
    shift: float  # horizontal offset from the other lines, on an axis that is not numeric


@dataclass(frozen=True)
class Positions:
    """The positions of the values of the first axis: their numbers, or else 0, 1, 2, ..."""

    name: str
    values: tuple[str, ...]
    numeric: bool

    @property
    def dash(self) -> Literal["-", ":"]:
        """The line style: solid between numbers, dotted between words."""
        return "-" if self.numeric else ":"

    def of(self, result: PointResult) -> float:
        """The horizontal position of a point."""
        value = result.point.values.get(self.name, self.values[0])
        return float(value) if self.numeric else float(self.values.index(value))

    def set_up(self, axes: Axes, label: str, shift: float) -> None:
        """Set the ticks and the label of an axis; `shift` is that of the last line."""
        places = [float(value) for value in self.values] if self.numeric else list(range(len(self.values)))
        if not self.numeric:
            places = [place + shift / 2 for place in places]
        if self.numeric and min(places) > 0 and max(places) / min(places) >= LOG_FROM:
            axes.set_xscale("log")
            axes.minorticks_off()

        long = max(map(len, self.values)) > 8
        labels = [as_label(_truncated(value)) for value in self.values]
        axes.set_xticks(places, labels, rotation=20 if long else 0, ha="right" if long else "center")
        if not self.numeric:
            axes.set_xlim(-0.5, len(places) - 0.5 + shift)
        axes.set_xlabel(label)


def draw(results: SweepResults, png: Path, svg: Path) -> None:
    """Write the plot of a sweep that has at least one finished run. Raises WriteError."""
    with own_settings({"svg.hashsalt": "hvaedsl", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}):
        figure = figure_of(results)
        for path in (png, svg):
            with put_in_place(path) as temporary:
                figure.savefig(temporary, format=path.suffix[1:], dpi=DOTS_PER_INCH, metadata=_metadata(path))


def figure_of(results: SweepResults) -> Figure:
    """Four panels: likelihood, parameters and time over the first axis, and likelihood over time."""
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    panels = figure.subplots(2, 2)
    lines, positions = _lines(results), _positions(results)
    unit, weights = unit_label(results), results.weights
    names = short_names(results.plan.axes)
    label = names.get(positions.name, "")
    likelihood = f"test {unit} (lower is better)"

    def test(run: RunResult) -> float | None:
        return run.test[weights]

    panel = panels[0, 0]
    _plot_over_axis(panel, lines, positions, test, lambda point: point.test(weights))
    panel.set_title(f"Likelihood, {WEIGHTS[weights]}", loc="left")
    panel.set_ylabel(likelihood)

    _plot_likelihood_over_time(panels[0, 1], lines, positions, results)
    panels[0, 1].set_title("Likelihood over training time", loc="left")
    panels[0, 1].set_xlabel("training time (seconds)")
    panels[0, 1].set_ylabel(likelihood)

    for line in lines:
        heights = [float(point.point.parameters) for point in line.points]
        panels[1, 0].plot(
            [positions.of(point) + line.shift for point in line.points],
            heights,
            label=as_label(line.label),
            color=line.color,
            marker=line.marker,
            linestyle=positions.dash,
        )
    panels[1, 0].set_title("Parameters", loc="left")
    panels[1, 0].set_ylim(0, 1.15 * max(point.point.parameters for point in results.points))
    panels[1, 0].yaxis.set_major_formatter(mpl.ticker.EngFormatter(sep=""))

    panel = panels[1, 1]
    _plot_over_axis(panel, lines, positions, lambda run: run.seconds_per_step, lambda point: point.seconds_per_step)
    panel.set_title("Time per step", loc="left")
    panel.set_ylabel("seconds per step (median)")
    seconds = [run.seconds_per_step for point in results.points for run in point.runs]
    panel.set_ylim(0, 1.15 * max(seconds))

    for panel in (panels[0, 0], panels[1, 0], panels[1, 1]):
        positions.set_up(panel, label, lines[-1].shift)
    if len(lines) > 1:
        other = ", ".join(names[axis.name] for axis in results.plan.axes[1:])
        figure.legend(*panels[1, 0].get_legend_handles_labels(), title=other, loc="outside right upper", frameon=False)
    figure.suptitle(_title(results), x=0.01, ha="left", fontsize=10)
    return figure


def _plot_over_axis(
    axes: Axes,
    lines: Sequence[Line],
    positions: Positions,
    value: Callable[[RunResult], float | None],
    spread: Callable[[PointResult], Spread | None],
) -> None:
    """Plot every run as a dot, and the means as a line with bars of one standard deviation."""
    for line in lines:
        _plot_dots(
            axes, line, [(positions.of(point) + line.shift, value(run)) for point in line.points for run in point.runs]
        )
        known = [
            (positions.of(point) + line.shift, found) for point in line.points if (found := spread(point)) is not None
        ]
        if known:
            axes.errorbar(
                [at for at, _ in known],
                [found.mean for _, found in known],
                yerr=[found.deviation or 0.0 for _, found in known],
                capsize=3,
                elinewidth=1,
                markerfacecolor="white",
                color=line.color,
                marker=line.marker,
                linestyle=positions.dash,
            )


def _plot_likelihood_over_time(axes: Axes, lines: Sequence[Line], positions: Positions, results: SweepResults) -> None:
    """Plot every run as a dot at its time, and label the means with the value of the first axis."""
    times = [run.wall_seconds for point in results.points for run in point.runs]
    middle = (min(times) + max(times)) / 2

    for line in lines:
        runs = [run for point in line.points for run in point.runs]
        _plot_dots(axes, line, [(run.wall_seconds, run.test[results.weights]) for run in runs])

        for point in line.points:
            time, test = point.wall_seconds, point.test(results.weights)
            if time is None or test is None:
                continue

            axes.errorbar(
                [time.mean],
                [test.mean],
                xerr=[time.deviation or 0.0],
                yerr=[test.deviation or 0.0],
                capsize=3,
                elinewidth=1,
                markerfacecolor="white",
                color=line.color,
                marker=line.marker,
                linestyle="none",
            )

            # Labels point inwards, away from the border of the panel.
            on_the_left = time.mean < middle
            axes.annotate(
                _truncated(point.point.values.get(positions.name, "")),
                (time.mean, test.mean),
                xytext=(6 if on_the_left else -6, 6),
                textcoords="offset points",
                ha="left" if on_the_left else "right",
                fontsize=8,
            )
    axes.margins(0.15)


def _plot_dots(axes: Axes, line: Line, places: Sequence[tuple[float, float | None]]) -> None:
    """Plot one dot per run, without the runs whose value is not finite."""
    finite = [(at, height) for at, height in places if height is not None]
    axes.scatter(
        [at for at, _ in finite],
        [height for _, height in finite],
        s=14,
        color=line.color,
        alpha=0.6,
        linewidths=0,
        zorder=3,
    )


def _lines(results: SweepResults) -> list[Line]:
    """One line for each combination of values of the axes after the first."""
    others = [axis.name for axis in results.plan.axes[1:]]

    def other_values(result: PointResult) -> tuple[str, ...]:
        return tuple(result.point.values[name] for name in others)

    order = {axis.name: axis.values.index for axis in results.plan.axes[1:]}
    ordered = sorted(
        results.points, key=lambda item: [order[n](v) for n, v in zip(others, other_values(item), strict=True)]
    )
    positions = _positions(results)
    return [
        Line(
            ", ".join(map(_truncated, values)),
            tuple(sorted(points, key=positions.of)),
            COLORS[index % len(COLORS)],
            MARKERS[index % len(MARKERS)],
            0.0 if positions.numeric else SHIFT * index,
        )
        for index, (values, points) in enumerate(groupby(ordered, key=other_values))
    ]


def _positions(results: SweepResults) -> Positions:
    if not results.plan.axes:
        return Positions("", (results.points[0].point.name,), numeric=False)
    axis = results.plan.axes[0]
    return Positions(axis.name, axis.values, numeric=all(map(_is_number, axis.values)))


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _truncated(value: str) -> str:
    return value if len(value) <= MAX_LABEL_LENGTH else value[: MAX_LABEL_LENGTH - 1] + "…"


def _title(results: SweepResults) -> str:
    plan = results.plan
    seeds = f"{len(plan.seeds)} seed{'s' * (len(plan.seeds) > 1)}"
    parts = [
        f"{as_label(plan.model)}, {as_label(plan.dataset)}: {results.finished} of {len(plan.runs())} runs, {seeds}"
    ]
    if len(plan.seeds) > 1:
        parts.append("dots: seeds; bars: mean ± standard deviation")
    if results.indicative:
        parts.append("indicative")
    return "; ".join(parts)


def _metadata(path: Path) -> dict[str, str | None]:
    """Metadata without date and version: equal results give equal files."""
    return {"Date": None} if path.suffix == ".svg" else {"Software": None}
