"""A table of several models with their published figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hvaedsl.diagnostics.printable import printable
from hvaedsl.ir.spec import Spec
from hvaedsl.passes.cost import Cost
from hvaedsl.report.cost_table import short_count, size
from hvaedsl.report.grid import Column, Grid

Model = tuple[Spec, Cost]


def model_table(models: Sequence[Model]) -> Grid:
    """Return a table with one row per model: computed figures, each followed by the published one if there is one."""
    headings = ("parameters", "published", "depth", "published", "latents", "FLOPs", "memory", "likelihood")
    table = Grid(
        title="",
        columns=[Column("model", words=True), *map(Column, headings), Column("source", words=True, fold=18)],
        notes=[
            "* deviates from the published figure   ? published, but not confirmed   memory: float32, batch 1",
        ],
    )
    for spec, cost in models:
        table.add(*_row(spec, cost))
    return table


def model_table_json(models: Sequence[Model]) -> str:
    """Return the table as JSON: a list of objects."""
    return json.dumps([_record(spec, cost) for spec, cost in models], indent=2)


def parameters_deviate(counted: int, published: float) -> bool:
    """Whether a count differs from a published figure by more than its last digit, and by more than one percent."""
    unit = 1
    while published >= 10 * unit and published % (10 * unit) == 0:
        unit *= 10
    return abs(counted - published) > min(unit, 0.01 * published)


def _row(spec: Spec, cost: Cost) -> list[str]:
    # A published figure is followed by `*` if the counted one deviates, a likelihood by `?` if it is not confirmed.
    paper = spec.paper
    parameters = "" if paper.parameters is None else short_count(paper.parameters)
    if paper.parameters is not None and parameters_deviate(cost.parameters, paper.parameters):
        parameters += "*"
    depth = "" if paper.depth is None else f"{paper.depth}{'*' if paper.depth != cost.stochastic_depth else ''}"
    nll = "" if paper.nll is None else f"{paper.nll:g}{'' if paper.nll_status == 'confirmed' else '?'}"

    return [
        printable(spec.name),
        f"{cost.parameters:,}",
        parameters,
        f"{cost.stochastic_depth:,}",
        depth,
        f"{cost.latents:,}",
        short_count(cost.flops_per_image),
        size(cost.activation_bytes(1)),
        nll,
        paper.table or "",
    ]


def _record(spec: Spec, cost: Cost) -> dict[str, Any]:
    paper = spec.paper
    return {
        "name": spec.name,
        "parameters": cost.parameters,
        "stochastic_depth": cost.stochastic_depth,
        "latents": cost.latents,
        "flops_per_image": cost.flops_per_image,
        "activation_bytes_float32": cost.activation_bytes(1),
        "published": paper.model_dump(),
        "parameters_deviate": paper.parameters is not None and parameters_deviate(cost.parameters, paper.parameters),
        "depth_deviates": paper.depth is not None and paper.depth != cost.stochastic_depth,
    }
