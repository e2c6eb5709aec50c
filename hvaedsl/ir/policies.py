"""What a training does about gradients that are too large: a threshold that follows the run, and a rollback."""

from __future__ import annotations

from hvaedsl.ir.call_values import CallValue
from hvaedsl.ir.kinds import CallOf, Number, Parameter, Whole


class AdaptiveThreshold(CallValue):
    """`adaptive(quantile, window)`: an update is skipped if its norm exceeds `factor` times a quantile of recent norms.

    The quantile is that of the finite norms of the last `window` steps, skipped ones included: a lasting change of the
    norms raises the threshold, so that it cannot freeze a model.
    """

    function = "adaptive"

    quantile: float
    window: int
    factor: float = 3.0


class Rollback(CallValue):
    """`rollback`: after `after` consecutive skipped updates, go back to a checkpoint and leave out the batches since.

    A run rolls back at most `times` times; each time the learning rate is multiplied by `rate`.
    """

    function = "rollback"

    after: int = 100
    times: int = 3
    rate: float = 1.0


ADAPTIVE = CallOf(
    AdaptiveThreshold,
    (
        Parameter("quantile", Number(above=0, maximum=1)),
        Parameter("window", Whole(10, 1_000_000)),
        Parameter("factor", Number(minimum=1)),
    ),
    example="adaptive(0.99, 1000)",
)
ROLLBACK = CallOf(
    Rollback,
    (
        Parameter("after", Whole(1)),
        Parameter("times", Whole(1)),
        Parameter("rate", Number(above=0, maximum=1)),
    ),
    example="rollback(after = 100, times = 3, rate = 0.5)",
)
