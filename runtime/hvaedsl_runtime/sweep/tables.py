"""The plan and the results of a sweep as text tables."""

from __future__ import annotations

import io

from hvaedsl.matching import CLOSE_ENOUGH
from hvaedsl.report.cost_table import size
from hvaedsl.report.grid import Column, Grid
from hvaedsl.report.terminal import text_console
from hvaedsl_runtime.evaluate.units import label_of
from hvaedsl_runtime.sweep.axes import short_names
from hvaedsl_runtime.sweep.plan import Matched, Point, SweepPlan
from hvaedsl_runtime.sweep.results import MIN_SEEDS, WEIGHT_KINDS, PointResult, Spread, SweepResults, Weights

# On a narrow terminal, these columns fold at this width.
AXIS_WIDTH = 16
BLOCK_COUNTS_WIDTH = 40
NONE_LOWEST = "no point is lowest by more than the standard deviations"


def plan_text(plan: SweepPlan) -> str:
    """The table of the planned points as plain text of any width."""
    return _text(plan_table(plan))


def plan_table(plan: SweepPlan) -> Grid:
    """The table of the planned points, with parameters, depth and memory."""
    seeds = f"{len(plan.seeds)} seed{'s' * (len(plan.seeds) > 1)}"
    points, runs = len(plan.points), len(plan.runs())
    title = f"{plan.model}: {points} point{'s' * (points > 1)}, {seeds}, {runs} run{'s' * (runs > 1)}"

    columns = [*_axes(plan), *map(Column, ("parameters", "depth", "memory"))]
    lines = ["memory: activations stored for the backward pass of a batch"]

    targets = {point.matched.target for point in plan.points if point.matched}
    if targets:
        columns.append(Column("deviation"))
        columns.append(Column("block counts that match the parameters", words=True, fold=BLOCK_COUNTS_WIDTH))
        share = f"{float(CLOSE_ENOUGH):.0%}"
        lines.append(f"deviation: from the target of {min(targets):,} parameters; ! if more than {share}")

    table = Grid(f"{title}\n", columns, lines, names=len(_axes(plan)))
    for point in plan.points:
        cells = [f"{point.parameters:,}", f"{point.stochastic_depth:,}", size(point.activation_bytes)]
        if point.matched is not None:
            cells += [_deviation(point.matched), f"encoder {point.matched.encoder}\ndecoder {point.matched.decoder}"]
        table.add(*_values(plan, point), *cells)
    return table


def results_text(results: SweepResults) -> str:
    """The table of results as plain text of any width."""
    return _text(results_table(results))


def results_table(results: SweepResults) -> Grid:
    """The table of results: parameters, depth, time and likelihood of each point, mean and deviation over seeds."""
    plan = results.plan
    finished = f"{results.finished} of {len(plan.runs())} runs"
    title = f"{plan.model}: {plan.dataset} test images, {unit_label(results)}, {finished}"

    matched = any(point.matched for point in plan.points)
    headings = ["parameters", *(["deviation"] if matched else []), "depth", "seconds\nper step", "training\nseconds"]
    headings += ["raw\nweights", "averaged\nweights", "seeds"]
    columns = [*_axes(plan), *map(Column, headings)]

    table = Grid(f"{title}\n", columns, notes(results), names=len(_axes(plan)))
    best = {weights: results.best(weights) for weights in WEIGHT_KINDS}
    for result in results.points:
        point = result.point
        table.add(
            *_values(plan, point),
            f"{point.parameters:,}",
            *([_deviation(point.matched) if point.matched else ""] if matched else []),
            f"{point.stochastic_depth:,}",
            spread_text(result.seconds_per_step, 4),
            spread_text(result.wall_seconds, 1),
            *(_likelihood(result, weights, best[weights]) for weights in WEIGHT_KINDS),
            _seeds(result, len(plan.seeds)),
        )

    return table


def unit_label(results: SweepResults) -> str:
    """The unit of the likelihoods of a sweep, which says whether they are densities."""
    return label_of(results.plan.unit, results.gives)


def notes(results: SweepResults) -> list[str]:
    """Notes below the table of results."""
    several = len(results.plan.seeds) > 1
    lines = ["mean ± sample standard deviation over seeds" if several else "one seed: standard deviation unknown"]
    lines[0] += "; seconds per step: median over the steps of a run"

    if results.indicative:
        lines.append(f"indicative: fewer than {MIN_SEEDS} seeds")
    if len(results.points) > 1 and several and results.finished == len(results.plan.runs()):
        best = [results.best(weights) for weights in WEIGHT_KINDS]
        lines.append("*: lowest by more than the standard deviations" if any(best) else NONE_LOWEST)

    if results.mixes_densities:
        lines.append("some runs have a density and others have none: their likelihoods cannot be compared")

    if results.plan.average_is_slow:
        lines.append(
            "the averaged weights are still close to the initial ones (HV601); use the results of the raw weights"
        )

    devices = sorted({run.device for result in results.points for run in result.runs})
    if len(devices) > 1:
        lines.append(f"the times were measured on different devices: {', '.join(devices)}")
    return lines


def spread_text(spread: Spread | None, digits: int) -> str:
    """`1.234 ± 0.005`, only the mean for a single seed, or a dash for None."""
    if spread is None:
        return "-"
    deviation = "" if spread.deviation is None else f" ± {spread.deviation:.{digits}f}"
    return f"{spread.mean:.{digits}f}{deviation}"


def _text(table: Grid) -> str:
    """A table as plain text, wide enough for every value."""
    out = io.StringIO()
    text_console(out).print(table)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _axes(plan: SweepPlan) -> list[Column]:
    """A column for each axis, or one for the name of the point if there are none."""
    names = list(short_names(plan.axes).values()) or ["point"]
    return [Column(name, words=True, fold=AXIS_WIDTH, labeled=True) for name in names]


def _values(plan: SweepPlan, point: Point) -> list[str]:
    return [point.values[axis.name] for axis in plan.axes] or [point.name]


def _deviation(matched: Matched) -> str:
    return f"{matched.difference:+.2%}" + ("!" if abs(matched.difference) > CLOSE_ENOUGH else "")


def _likelihood(result: PointResult, weights: Weights, best: Point | None) -> str:
    digits = 4 if all(abs(run.test[weights] or 0) < 100 for run in result.runs) else 2
    text = spread_text(result.test(weights), digits)
    if text == "-" and result.runs:
        return "not finite"
    return text + ("*" if best is result.point else "")


def _seeds(result: PointResult, planned: int) -> str:
    text = str(planned) if len(result.runs) == planned else f"{len(result.runs)} of {planned}"
    return text + (f", {len(result.failures)} failed" if result.failures else "")
