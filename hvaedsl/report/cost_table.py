"""A table of the cost of a program by resolution."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from rich.text import Text

from hvaedsl.diagnostics.printable import printable
from hvaedsl.ir.image_size import size_text
from hvaedsl.ir.spec import Spec
from hvaedsl.passes.checkpointing import Checkpointing
from hvaedsl.passes.cost import Cost, Row
from hvaedsl.report.grid import Column, Grid


def cost_table(spec: Spec, cost: Cost, checkpointing: Checkpointing, batch: int) -> Grid:
    """Return blocks, weight groups, parameters, latents, FLOPs and activation memory of a batch by resolution.

    With `train.recompute_every`, a last row has the activation memory with recomputation.
    """
    every = spec.train.recompute_every
    headings = ("blocks", "weight\ngroups", "parameters", "latents", "FLOPs", "float32", "bfloat16")
    size_of_image = f"{size_text(spec.data.height, spec.data.width)}x{spec.data.channels}"
    table = Grid(
        title=Text(f"{printable(spec.name)}: {spec.data.dataset}, {size_of_image}", "bold"),
        columns=[Column("stack", words=True), Column("R", labeled=True), *map(Column, headings)],
        notes=_notes(checkpointing, batch, every),
        names=2,
    )

    for row, following in zip_longest(cost.rows, cost.rows[1:]):
        ends = following is None or following.stack != row.stack
        table.add(row.stack, str(row.resolution), *_cells(row, batch), ends=ends)

    table.add("total", "", *_total(cost, batch), style="bold", ends=True)
    if every is not None:
        needed = (checkpointing.peak_bytes(every, batch), checkpointing.peak_bytes(every, batch, "bfloat16"))
        table.add("recomputed", *[""] * 6, *map(size, needed), style="bold")
    return table


def headline(spec: Spec, cost: Cost) -> str:
    """Return parameters, depth and latents, and the published figures if the spec has them."""
    parts = [f"{cost.parameters:,} parameters", f"stochastic depth {cost.stochastic_depth:,}"]
    parts += [f"{cost.latents:,} latents"]
    line = ", ".join(parts)
    if cost.uncounted:
        line += f"\nnot counted: {', '.join(cost.uncounted)}; use --custom to import and count custom parts"

    paper = spec.paper
    published = [
        f"{short_count(paper.parameters)} parameters" if paper.parameters is not None else "",
        f"depth {paper.depth}" if paper.depth is not None else "",
        f"likelihood {paper.nll:g} ({paper.nll_status})" if paper.nll is not None else "",
    ]
    listed = ", ".join(part for part in published if part)
    where = f" ({paper.table})" if paper.table else ""
    return f"{line}\npublished{where}{': ' * bool(listed)}{listed}" if listed or where else line


def cost_json(spec: Spec, cost: Cost, checkpointing: Checkpointing, batch: int) -> dict[str, Any]:
    """Return the cost as plain data; activations are those of a training step, with `recompute_every` if it is set."""
    every = spec.train.recompute_every
    needed: tuple[int, int] = (cost.activation_bytes(batch), cost.activation_bytes(batch, "bfloat16"))
    if every is not None:
        needed = (checkpointing.peak_bytes(every, batch), checkpointing.peak_bytes(every, batch, "bfloat16"))

    return {
        "parameters": cost.parameters,
        "stochastic_depth": cost.stochastic_depth,
        "latents": cost.latents,
        "flops_per_image": cost.flops_per_image,
        "batch": batch,
        "recompute_every": every,
        "activation_bytes_float32": needed[0],
        "activation_bytes_bfloat16": needed[1],
        "uncounted": list(cost.uncounted),
        "rows": [{name: getattr(row, name) for name in Row.__dataclass_fields__} for row in cost.rows],
    }


def _notes(checkpointing: Checkpointing, batch: int, every: int | None) -> list[str]:
    first = f"FLOPs of one forward pass and image; activations kept for the backward pass, batch {batch}"
    if every is None:
        return [first]
    kept = size(checkpointing.kept_bytes(every, batch))
    return [
        first,
        f"recomputed: the state is kept every {every:,} blocks ({kept} in float32); the blocks between are computed "
        "again",
    ]


def _cells(row: Row, batch: int) -> list[str]:
    return [
        f"{row.blocks:,}",
        f"{row.weight_groups:,}",
        f"{row.parameters:,}",
        f"{row.latents:,}" if row.latents else "",
        short_count(row.flops_per_image),
        size(batch * row.float32_bytes_per_image),
        size(batch * row.bfloat16_bytes_per_image),
    ]


def _total(cost: Cost, batch: int) -> list[str]:
    return [
        f"{sum(row.blocks for row in cost.rows):,}",
        f"{sum(row.weight_groups for row in cost.rows):,}",
        f"{cost.parameters:,}",
        f"{cost.latents:,}",
        short_count(cost.flops_per_image),
        size(cost.activation_bytes(batch)),
        size(cost.activation_bytes(batch, "bfloat16")),
    ]


def short_count(number: float) -> str:
    """Return a count with a decimal suffix and three digits: 233k, 39.1M, 12.3G."""
    return _three_digits(number, 1000, ("", "k", "M", "G", "T", "P"), "")


def size(count: float) -> str:
    """Return a size in bytes with a binary suffix and three digits."""
    return _three_digits(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), " ")


def _three_digits(number: float, base: int, suffixes: tuple[str, ...], space: str) -> str:
    """Format with the first suffix for which the rounded number is below `base`."""
    index = 0
    while float(_rounded(number)) >= base and index < len(suffixes) - 1:
        number, index = number / base, index + 1
    return f"{_rounded(number)}{space}{suffixes[index]}".rstrip()


def _rounded(number: float) -> str:
    return f"{number:.3g}" if number < 999.5 else f"{number:.0f}"
