"""What rollbacks leave in a run's state."""

from __future__ import annotations

from dataclasses import dataclass

from hvaedsl.ir.policies import Rollback
from hvaedsl_runtime.disk.state_parts import PlainPart


@dataclass
class Recovery(PlainPart):
    """The rollbacks of a run: their number, the batches that they left out, and the factor on the learning rate.

    The images and random numbers of step `s` are those of batch `s + left_out` of the stream.
    """

    rollbacks: int = 0
    left_out: int = 0
    rate: float = 1.0

    def after(self, policy: Rollback, steps: int) -> Recovery:
        """The state after one more rollback, over `steps` steps, whose batches are left out."""
        return Recovery(self.rollbacks + 1, self.left_out + steps, self.rate * policy.rate)
