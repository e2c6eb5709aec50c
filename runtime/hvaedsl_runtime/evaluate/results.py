"""The result of a run: its likelihood bounds, and a baseline to compare them with."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from hvaedsl.ir.spec import Spec
from hvaedsl.report.grid import Column, Grid
from hvaedsl_runtime.data import ImageSet, histogram_baseline_bits_per_dim
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound
from hvaedsl_runtime.evaluate.units import NATS_PER_BIT, reporting_unit

# Counting the levels of this many values takes one or two seconds.
CHEAP_TO_COUNT = 200_000_000

WEIGHTS = {"raw": "raw weights", "ema": "averaged weights (EMA)"}


def histogram_baseline(spec: Spec, train: ImageSet, test: ImageSet) -> float | None:
    """Return the bits per dimension of independent pixel histograms on the same split.

    Returns None if they are not comparable (binary or 5-bit images) or slow to compute (many images, or image files).
    """
    comparable = spec.data.binarize == "none" and spec.model.likelihood.bits is None
    cheap = spec.data.dataset != "folder" and (len(train) + len(test)) * prod(train.shape) <= CHEAP_TO_COUNT
    return histogram_baseline_bits_per_dim(train, test) if comparable and cheap else None


def after_steps(step: int, last_step: int) -> str:
    """Say of which step the evaluated weights are: the last one, or that with the lowest validation bound."""
    if step == last_step:
        return f"after {step} steps"
    return f"after {step} of {last_step} steps (the lowest validation bound)"


def results_table(
    spec: Spec, title: str, bounds: Mapping[str, LikelihoodBound], baseline_bits_per_dim: float | None = None
) -> Grid:
    """Make a table of the bound on -log p for raw and averaged weights, in the spec's unit; lower is better."""
    unit = reporting_unit(spec)
    headings = (unit.label, "distortion", "rate", "images")
    table = Grid(title, [Column("", words=True), *map(Column, headings)], framed=True)

    for weights, bound in bounds.items():
        figures = (bound.loss_nats_per_dim, bound.distortion_nats_per_dim, bound.rate_nats_per_dim)
        table.add(WEIGHTS[weights], *(f"{unit.of(nats):.4f}" for nats in figures), str(bound.images))

    if baseline_bits_per_dim is not None:
        bits = unit.of(baseline_bits_per_dim * NATS_PER_BIT)
        table.add("baseline: pixel histograms", f"{bits:.4f}", "", "", "")
    return table
