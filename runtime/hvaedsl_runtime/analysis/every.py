"""All analyses, in the order of a report."""

from __future__ import annotations

from hvaedsl_runtime.analysis import discarded, projections
from hvaedsl_runtime.analysis.base import Analysis

ANALYSES: tuple[Analysis, ...] = (
    projections.ANALYSIS,
    discarded.ANALYSIS,
)
