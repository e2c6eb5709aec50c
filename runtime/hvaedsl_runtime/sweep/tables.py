"""A sweep as tables: what is planned, and what came out."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from hvaedsl.matching import CLOSE_ENOUGH
from hvaedsl.report.cost_table import size
from hvaedsl_runtime.sweep.axes import short_names
from hvaedsl_runtime.sweep.plan import Matched, Point, SweepPlan
from hvaedsl_runtime.sweep.results import BOTH, SEEDS_TO_TELL, PointResult, Spread, SweepResults, Weights

UNITS = {"bits_per_dim": "bits/dim", "nats_per_image": "nats/image"}
WIDTH = 110
NONE_LOWEST = "no point is the lowest by more than the spreads"


def plan_text(plan: SweepPlan) -> str:
    """The points with what they cost, before anything is trained, as a table."""
    seeds = f"{len(plan.seeds)} seed{'s' * (len(plan.seeds) > 1)}"
    points, runs = len(plan.points), len(plan.runs())
    title = f"{plan.model}: {points} point{'s' * (points > 1)}, {seeds}, {runs} run{'s' * (runs > 1)}"
    table = _table()
    _axes(table, plan)
    for heading in ("parameters", "depth", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    lines = ["memory: activations kept for the backward pass of a batch"]
    targets = {point.matched.target for point in plan.points if point.matched}
    if targets:
        table.add_column("off", justify="right", no_wrap=True)
        table.add_column("block counts that hold the parameters", overflow="fold")
        share = f"{float(CLOSE_ENOUGH):.0%}"
        lines.append(f"off: against the {min(targets):,} parameters to be held; ! by more than {share}")
    for point in plan.points:
        cells = [f"{point.parameters:,}", f"{point.stochastic_depth:,}", size(point.activation_bytes)]
        if point.matched is not None:
            cells += [_off(point.matched), f"encoder {point.matched.encoder}\ndecoder {point.matched.decoder}"]
        table.add_row(*_values(plan, point), *cells)
    return _text(title, table, lines)


def results_text(results: SweepResults) -> str:
    """Parameters, depth, time and likelihood of each point: mean and standard deviation over seeds, as a table."""
    plan = results.plan
    done = f"{results.finished} of {len(plan.runs())} runs"
    title = f"{plan.model}: {plan.dataset} test images, {UNITS[plan.unit]}, {done}"
    table = _table()
    _axes(table, plan)
    matched = any(point.matched for point in plan.points)
    headings = ["parameters", *(["off"] if matched else []), "depth", "seconds\na step", "training\nseconds"]
    for heading in (*headings, "raw\nweights", "averaged\nweights", "seeds"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = {weights: results.best(weights) for weights in BOTH}
    for result in results.points:
        point = result.point
        table.add_row(
            *_values(plan, point),
            f"{point.parameters:,}",
            *([_off(point.matched) if point.matched else ""] if matched else []),
            f"{point.stochastic_depth:,}",
            spread_text(result.seconds_per_step, 4),
            spread_text(result.wall_seconds, 1),
            *(_likelihood(result, weights, best[weights]) for weights in BOTH),
            _seeds(result, len(plan.seeds)),
        )
    return _text(title, table, notes(results))


def notes(results: SweepResults) -> list[str]:
    """What a reader of the figures must know."""
    several = len(results.plan.seeds) > 1
    lines = ["mean ± sample standard deviation over seeds" if several else "one seed: no spread is known"]
    lines[0] += "; a point's seconds a step are the median over its steps"
    if results.indicative:
        lines.append(f"indicative: fewer than {SEEDS_TO_TELL} seeds")
    if len(results.points) > 1 and several and results.finished == len(results.plan.runs()):
        best = [results.best(weights) for weights in BOTH]
        lines.append("* lowest, and by more than both spreads" if any(best) else NONE_LOWEST)
    if results.plan.average_is_slow:
        lines.append("the averaged weights are still near the initial ones (HV601): read the raw weights' figures")
    devices = sorted({run.device for result in results.points for run in result.runs})
    if len(devices) > 1:
        lines.append(f"times are of different devices: {', '.join(devices)}")
    return lines


def spread_text(spread: Spread | None, digits: int) -> str:
    """`1.234 ± 0.005`, the mean alone for one seed, and a dash where there is nothing."""
    if spread is None:
        return "-"
    deviation = "" if spread.deviation is None else f" ± {spread.deviation:.{digits}f}"
    return f"{spread.mean:.{digits}f}{deviation}"


def _text(title: str, table: Table, lines: Sequence[str]) -> str:
    """A title, a table and what is to be known of it as plain text; no figure is cut off."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH)
    console.width = max(WIDTH, console.measure(table).minimum)
    console.print(table)
    rows = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([title, "", *rows, *lines]) + "\n"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _axes(table: Table, plan: SweepPlan) -> None:
    """A column for each axis, or one for the name where nothing is varied."""
    for name in list(short_names(plan.axes).values()) or ["point"]:
        table.add_column(name, overflow="fold")


def _values(plan: SweepPlan, point: Point) -> list[str]:
    return [point.values[axis.name] for axis in plan.axes] or [point.name]


def _off(matched: Matched) -> str:
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
