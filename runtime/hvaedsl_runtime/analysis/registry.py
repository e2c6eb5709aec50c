"""The list of analyses, in the order of a report."""

from __future__ import annotations

from hvaedsl_runtime.analysis import (
    curves,
    discarded,
    kl,
    partial_posteriors,
    projections,
    reconstructions,
    state_norms,
    temperatures,
)
from hvaedsl_runtime.analysis.base import Analysis

ANALYSES: tuple[Analysis, ...] = (
    state_norms.ANALYSIS,
    kl.ANALYSIS,
    temperatures.ANALYSIS,
    partial_posteriors.ANALYSIS,
    reconstructions.ANALYSIS,
    projections.ANALYSIS,
    discarded.ANALYSIS,
    curves.ANALYSIS,
)


def by_name(name: str) -> Analysis:
    """The analysis with this name. Raises KeyError if there is none."""
    return {analysis.name: analysis for analysis in ANALYSES}[name]
