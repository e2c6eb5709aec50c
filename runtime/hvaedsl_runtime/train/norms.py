"""The gradient norms of recent steps, which an adaptive threshold follows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hvaedsl.ir.policies import AdaptiveThreshold
from hvaedsl_runtime.disk.state_parts import PlainPart

# Norms that a threshold needs, if its window has as many: a quantile of fewer says little.
FEWEST = 100


@dataclass
class RecentNorms(PlainPart):
    """The finite gradient norms of the last steps, of skipped ones too, oldest first."""

    norms: list[float] = field(default_factory=list)

    def threshold(self, policy: AdaptiveThreshold) -> float | None:
        """The norm from which an update is skipped; None in the first steps, and after norms of 0."""
        if len(self.norms) < min(FEWEST, policy.window):
            return None
        rank = max(1, math.ceil(policy.quantile * len(self.norms)))
        return policy.factor * sorted(self.norms)[rank - 1] or None

    def record(self, norm: float, policy: AdaptiveThreshold) -> None:
        """Count the norm of a step; one that is not finite says nothing about the others."""
        if math.isfinite(norm):
            self.norms = [*self.norms, norm][-policy.window :]
