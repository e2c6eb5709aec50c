"""The training curves of a run: likelihood, collapsed layers and gradient norm over steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import BLUE, GRAY, VERMILION, panels, whole_numbers
from hvaedsl_runtime.analysis.history import Curve, History, evaluation_curve, read_history
from hvaedsl_runtime.evaluate.latent_use import COLLAPSED_KL_NATS, collapsed_layers
from hvaedsl_runtime.evaluate.units import Unit, recorded, reporting_unit

TEXT = """\
The bound on -log p in {unit} over steps: for training batches (light: as logged; dark: moving average over a \
fiftieth of the log), and for the {split} images, with the weights of the step (raw) and their moving average (EMA). \
The last panel shows the gradient norm before clipping{skipped}.

{collapse}"""

COLLAPSE = """\
The number of collapsed layers at each evaluation: layers whose KL, averaged over the {split} images, is below \
{threshold:g} nats per image (compare Falck, Williams et al. 2022, Figures G.7, G.14, G.15)."""

NO_KL = """\
The number of collapsed layers over steps is not shown: the log of this run, written by an older version, has no KL \
per layer. Train again to record it."""

NO_EVALUATION = "The log has no evaluation yet, so no likelihood of a split and no collapsed layers are shown."


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of a curve: steps, or the time spent in training steps."""

    label: str
    per_second: float | None = None

    def of(self, curve: Curve) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The positions of the values of a curve."""
        return curve.steps if self.per_second is None else curve.wall_seconds * self.per_second


STEPS = Axis("step")


def time_axis(longest_seconds: float) -> Axis:
    """Time in seconds, minutes or hours, depending on the longest run."""
    if longest_seconds < 600:
        return Axis("seconds in training steps", 1.0)
    if longest_seconds < 2 * 3600:
        return Axis("minutes in training steps", 1 / 60)
    return Axis("hours in training steps", 1 / 3600)


def evaluated_split(history: History) -> str | None:
    """The split whose evaluations are shown: validation if the log has any, or else test, or else None."""
    splits = {split for split, _ in history.evaluations}
    return next((split for split in ("validation", "test") if split in splits), None)


def collapsed_over_steps(history: History, split: str, weights: str) -> Curve:
    """The number of collapsed layers at each evaluation that logged the KL of the layers, not all of it NaN."""
    evaluations = history.evaluations.get((split, weights), ())
    rows = [row for row in evaluations if row.kl_nats is not None and not all(map(math.isnan, row.kl_nats))]
    return evaluation_curve(rows, [len(collapsed_layers(row.kl_nats or ())) for row in rows])


def examine(subject: Subject) -> Result:
    """The analysis `curves`; it reads only the log."""
    history = read_history(subject.run.folder.metrics)
    unit = reporting_unit(subject.spec)
    split = evaluated_split(history)
    collapsed = {w: collapsed_over_steps(history, split, w) for w in ("raw", "ema")} if split is not None else {}
    has_kl = any(len(found.steps) for found in collapsed.values())

    if split is None:
        collapse = NO_EVALUATION
    else:
        collapse = COLLAPSE.format(split=split, threshold=COLLAPSED_KL_NATS) if has_kl else NO_KL
    text = TEXT.format(
        unit=unit.label_of(history.gives),
        split=split or "evaluated",
        collapse=collapse,
        skipped="; crosses are skipped updates" if history.skipped_steps else "",
    )

    data = {
        "run": subject.run.folder.path.resolve().name,
        "unit": unit.key,
        **recorded(history.gives),
        "steps": history.last_step,
        "wall_seconds": history.wall_seconds,
        "skipped_steps": list(history.skipped_steps),
        "collapsed_below_kl_nats": COLLAPSED_KL_NATS,
        "train_smoothed": _curve_data(history.loss_nats_per_dim.smoothed(), unit, most=1000),
        "evaluations": {
            f"{split}/{weights}": _curve_data(history.bounds(split, weights), unit)
            for split, weights in history.evaluations
        },
        "collapsed_layers": {
            weights: {"steps": found.steps.tolist(), "layers": [int(count) for count in found.values]}
            for weights, found in collapsed.items()
        },
    }

    figure = draw(history, unit, split, collapsed if has_kl else {})
    drawing = Drawing("curves", figure, "Likelihood, collapsed layers and gradient norm over steps.")
    return Result("curves", "Training curves", text, data, (drawing,))


def draw(history: History, unit: Unit, split: str | None, collapsed: dict[str, Curve]) -> Figure:
    """Panels of the likelihood, of the collapsed layers if they are known, and of the gradient norm."""
    figure, axes = panels(3 if collapsed else 2, height_inches=2.2)
    likelihood, gradient = axes[0], axes[-1]

    raw = history.loss_nats_per_dim
    likelihood.plot(raw.steps, raw.values * unit.per_nat_per_dim, color=GRAY, alpha=0.3, linewidth=0.6)
    draw_bound(likelihood, STEPS, raw.smoothed(), unit, GRAY, "training batches", "-")
    if split is not None:
        draw_bound(likelihood, STEPS, history.bounds(split, "raw"), unit, BLUE, f"{split}, raw", "-", marker="o")
        draw_bound(likelihood, STEPS, history.bounds(split, "ema"), unit, VERMILION, f"{split}, EMA", "--", marker="s")
    limit_to_later_steps(likelihood, bounds_for_limits(history), unit)
    likelihood.set_ylabel(unit.label_of(history.gives))
    likelihood.legend()

    styles = {"raw": (BLUE, "-", "o"), "ema": (VERMILION, "--", "s")}
    for weights, found in collapsed.items():
        color, line, marker = styles[weights]
        label = "EMA" if weights == "ema" else weights
        axes[1].plot(found.steps, found.values, color=color, linestyle=line, marker=marker, markersize=3.5, label=label)
    if collapsed:
        axes[1].set_ylabel("collapsed layers")
        axes[1].set_ylim(bottom=0, top=1.1 * max(1.0, *(found.values.max(initial=0) for found in collapsed.values())))
        whole_numbers(axes[1].yaxis)
        axes[1].legend()

    _draw_gradient(gradient, history)
    for panel in axes:
        whole_numbers(panel.xaxis)
        panel.set_xlim(0, max(1, history.last_step))
    gradient.set_xlabel("step")
    return figure


def draw_bound(
    axes: Axes, axis: Axis, values: Curve, unit: Unit, color: str, label: str, line: str, marker: str = ""
) -> None:
    """Draw one curve of a bound, in the unit."""
    axes.plot(
        axis.of(values),
        values.values * unit.per_nat_per_dim,
        color=color,
        linestyle=line,
        marker=marker,
        markersize=3.5,
        label=label,
    )


def bounds_for_limits(history: History) -> list[Curve]:
    """The curves that set the limits of the axis; of averaged weights only the last value, since they start far off."""
    last = [history.bounds(*key).last() for key in history.evaluations if key[1] == "ema"]
    return [
        history.loss_nats_per_dim.smoothed(),
        *(history.bounds(*key) for key in history.evaluations if key[1] != "ema"),
        *last,
    ]


def limit_to_later_steps(axes: Axes, curves: Sequence[Curve], unit: Unit) -> None:
    """Limit the vertical axis to the values after the first fifth of the steps; the initial fall would hide them."""
    last = max((found.steps[-1] for found in curves if len(found.steps)), default=0)
    later = [found.values[found.steps > last / 5] * unit.per_nat_per_dim for found in curves]
    values = np.concatenate([part[np.isfinite(part)] for part in later]) if later else np.empty(0)
    if len(values) and values.max() > values.min():
        margin = 0.06 * (values.max() - values.min())
        axes.set_ylim(values.min() - margin, values.max() + margin)


def _draw_gradient(axes: Axes, history: History) -> None:
    norms = history.gradient_norm
    positive = np.where(norms.values > 0, norms.values, np.nan)
    axes.plot(norms.steps, positive, color=GRAY, linewidth=0.8)
    skipped = np.isin(norms.steps, history.skipped_steps)
    axes.plot(norms.steps[skipped], positive[skipped], "x", color=VERMILION, markersize=4)
    if np.isfinite(positive).any():
        axes.set_yscale("log")
    axes.set_ylabel("gradient norm")


def _curve_data(values: Curve, unit: Unit, most: int | None = None) -> dict[str, list[float]]:
    """A curve as lists; if it is longer than `most`, that many evenly spaced values, including the last."""
    count = len(values.steps)
    chosen = np.arange(count) if most is None or count <= most else np.linspace(0, count - 1, most).round().astype(int)
    return {
        "steps": values.steps[chosen].tolist(),
        "wall_seconds": values.wall_seconds[chosen].tolist(),
        unit.key: (values.values[chosen] * unit.per_nat_per_dim).tolist(),
    }


ANALYSIS = Analysis("curves", examine)
