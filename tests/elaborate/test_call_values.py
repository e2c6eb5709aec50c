"""`skip_above = adaptive(...)` and `on_spike = rollback(...)`: calls with numbers, by place or by name."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.ir.policies import AdaptiveThreshold, Rollback
from hvaedsl.ir.spec_text import flat_values

TEXT = """hvae 1
let n = 50
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x1 }
train { steps = 3000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.995  %s }
"""


@pytest.mark.parametrize(
    ("written", "key", "value", "printed"),
    [
        ("skip_above = 400", "skip_above", 400.0, "400"),
        ("skip_above = 8*$n", "skip_above", 400.0, "400"),
        ("skip_above = none", "skip_above", None, "none"),
        ("skip_above = adaptive(0.99, 1000)", "skip_above", AdaptiveThreshold(0.99, 1000), "adaptive(0.99, 1000)"),
        (
            "skip_above = adaptive(1, window = 2*$n, factor = 2)",
            "skip_above",
            AdaptiveThreshold(1.0, 100, 2.0),
            "adaptive(1, 100, factor = 2)",
        ),
        ("", "on_spike", "stop", "stop"),
        ("on_spike = stop", "on_spike", "stop", "stop"),
        ("on_spike = rollback", "on_spike", Rollback(), "rollback"),
        ("on_spike = rollback(20)", "on_spike", Rollback(20), "rollback(after = 20)"),
        (
            "on_spike = rollback(rate = 0.5, times = 1)",
            "on_spike",
            Rollback(100, 1, 0.5),
            "rollback(times = 1, rate = 0.5)",
        ),
    ],
)
def test_the_value_and_its_text(written: str, key: str, value: object, printed: str) -> None:
    program = hvaedsl.loads(TEXT % written)
    assert getattr(program.spec.train, key) == value
    assert f" = {printed}\n" in program.resolved_text()
    assert getattr(hvaedsl.loads(program.resolved_text()).spec.train, key) == value
    flat = flat_values(program.spec)[f"train.{key}"]
    assert flat == value if isinstance(value, float) else str(flat) == printed


@pytest.mark.parametrize(
    ("written", "code", "message", "way_out"),
    [
        ("skip_above = adaptive", "HV245", "`adaptive` lacks `quantile` and `window`", "adaptive(0.99, 1000)"),
        ("skip_above = adaptive(0.5)", "HV245", "`adaptive` lacks `window`", "adaptive(0.99, 1000)"),
        ("skip_above = adaptive(2, 100)", "HV205", "it must be a number", ""),
        ("skip_above = adaptive(0.5, 3)", "HV205", "an integer from 10 to 1,000,000", ""),
        ("skip_above = adaptive(0.5, 100, 3, 4)", "HV204", "or a call such as adaptive(0.99, 1000)", ""),
        ("skip_above = adaptive(window = 100, 0.5)", "HV216", "duplicate argument `window`", ""),
        ("skip_above = adaptive(0.5, 100, k = 3)", "HV224", "unknown argument `k` of `adaptive`", "`quantile`"),
        ("skip_above = adaptive(0.5, quantile = 0.5)", "HV216", "duplicate argument `quantile`", ""),
        ("skip_above = adaptiv(0.5, 100)", "HV206", "adaptiv", "adaptive"),
        ("skip_above = high", "HV204", "must be a number above 0", ""),
        ("on_spike = rolback", "HV206", "rolback", "rollback"),
        ("on_spike = rolback(3)", "HV206", "rolback", "rollback"),
        ("on_spike = 3", "HV204", "rollback", ""),
        ("on_spike = rollback(after = 0)", "HV205", "an integer of at least 1", ""),
        ("on_spike = rollback(rate = 0)", "HV205", "above 0", ""),
    ],
)
def test_a_mistake_is_one_diagnostic(written: str, code: str, message: str, way_out: str) -> None:
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(TEXT % written)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert message in found.message
    assert way_out in found.help_text
