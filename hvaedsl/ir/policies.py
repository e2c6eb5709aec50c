"""What a training does about gradients that are too large: a threshold that follows the run, and a rollback."""

from __future__ import annotations

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.kinds import CallOf, Number, Parameter, Whole


class AdaptiveThreshold(Record):
    """`adaptive(quantile, window)`: an update is skipped if its norm exceeds `factor` times a quantile of recent norms.

    The quantile is that of the finite norms of the last `window` steps, skipped ones included: a lasting change of the
    norms raises the threshold, so that it cannot freeze a model.
    """

    quantile: float
    window: int
    factor: float = 3.0

    def __str__(self) -> str:
        """The call in the language; the factor only if it is not the default."""
        more = "" if self.factor == 3.0 else f", factor = {_written(self.factor)}"
        return f"adaptive({_written(self.quantile)}, {self.window}{more})"


class Rollback(Record):
    """`rollback`: after `after` consecutive skipped updates, go back to a checkpoint and leave out the batches since.

    A run rolls back at most `times` times; each time the learning rate is multiplied by `rate`.
    """

    after: int = 100
    times: int = 3
    rate: float = 1.0

    def __str__(self) -> str:
        """The call in the language; without arguments, the word alone."""
        written = {"after": 100, "times": 3, "rate": 1.0}
        named = [
            f"{name} = {_written(value)}" for name, usual in written.items() if (value := getattr(self, name)) != usual
        ]
        return f"rollback({', '.join(named)})" if named else "rollback"


def _written(number: float) -> str:
    """A number in full, so that it reads back as the same one."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)


ADAPTIVE = CallOf(
    "adaptive",
    (
        Parameter("quantile", Number(above=0, maximum=1), required=True),
        Parameter("window", Whole(10, 1_000_000), required=True),
        Parameter("factor", Number(minimum=1)),
    ),
    AdaptiveThreshold,
    example="adaptive(0.99, 1000)",
)
ROLLBACK = CallOf(
    "rollback",
    (
        Parameter("after", Whole(1)),
        Parameter("times", Whole(1)),
        Parameter("rate", Number(above=0, maximum=1)),
    ),
    Rollback,
    example="rollback(after = 100, times = 3, rate = 0.5)",
)
