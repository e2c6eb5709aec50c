"""The result of a run: its likelihood bounds, and a baseline to compare them with."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Literal, NamedTuple

from hvaedsl.ir.spec import Spec
from hvaedsl.report.grid import Column, Grid
from hvaedsl_runtime.data import (
    ImageSet,
    histogram_baseline_bits_per_dim,
    logistic_baseline_bits_per_dim,
    normal_baseline_nats_per_dim,
)
from hvaedsl_runtime.data.file_images import FileImages
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound
from hvaedsl_runtime.evaluate.units import NATS_PER_BIT, Gives, reporting_unit

# Counting the levels of this many values takes one or two seconds.
CHEAP_TO_COUNT = 200_000_000
# So does decoding this many image files of ordinary size.
CHEAP_TO_DECODE = 2_000

WEIGHTS = {"raw": "raw weights", "ema": "averaged weights (EMA)"}


class Baseline(NamedTuple):
    """The bits per dimension of a simple model on the same split; of a normal, those of its density."""

    model: Literal["histogram", "logistic", "normal"]
    bits_per_dim: float

    @property
    def nats_per_dim(self) -> float:
        """The same in nats."""
        return self.bits_per_dim * NATS_PER_BIT

    @property
    def label(self) -> str:
        """The name of the baseline in tables."""
        words = {"histogram": "pixel histograms", "logistic": "a logistic per pixel", "normal": "a normal per pixel"}
        return f"baseline: {words[self.model]}"


def baseline(spec: Spec, gives: Gives, train: ImageSet, test: ImageSet) -> Baseline | None:
    """Compute the bits per dimension of independent pixel histograms; above 256 levels, of discretized logistics.

    For the density of real values, they are those of normals. Returns None if they are not comparable (a likelihood of
    levels that is not stated to be a mass, binary or 5-bit images) or slow to compute (many values or image files).
    """
    comparable = gives == ("density" if spec.data.is_real else "mass")
    comparable &= spec.data.binarize == "none" and spec.model.likelihood.bits is None
    images = len(train) + len(test)
    slow = isinstance(train.images, FileImages) and images > CHEAP_TO_DECODE
    if not comparable or slow or images * prod(train.shape) > CHEAP_TO_COUNT:
        return None
    if spec.data.is_real:
        return Baseline("normal", normal_baseline_nats_per_dim(train, test) / NATS_PER_BIT)
    if spec.data.levels > EIGHT_BIT_LEVELS:
        return Baseline("logistic", logistic_baseline_bits_per_dim(train, test))
    return Baseline("histogram", histogram_baseline_bits_per_dim(train, test))


def after_steps(step: int, last_step: int) -> str:
    """Say of which step the evaluated weights are: the last one, or that with the lowest validation bound."""
    if step == last_step:
        return f"after {step} step{'s' * (step != 1)}"
    return f"after {step} of {last_step} steps (the lowest validation bound)"


def results_table(
    spec: Spec, title: str, bounds: Mapping[str, LikelihoodBound], compared_with: Baseline | None = None
) -> Grid:
    """Make a table of the bound on -log p for raw and averaged weights, in the spec's unit; lower is better."""
    unit = reporting_unit(spec)
    given: Gives = next((bound.gives for bound in bounds.values()), "mass")
    headings = (unit.label_of(given), "distortion", "rate", "images")
    table = Grid(title, [Column("", words=True), *map(Column, headings)], framed=True)

    for weights, bound in bounds.items():
        figures = (bound.loss_nats_per_dim, bound.distortion_nats_per_dim, bound.rate_nats_per_dim)
        table.add(WEIGHTS[weights], *(f"{unit.of(nats):.4f}" for nats in figures), str(bound.images))

    if compared_with is not None:
        table.add(compared_with.label, f"{unit.of(compared_with.nats_per_dim):.4f}", "", "", "")
    return table
