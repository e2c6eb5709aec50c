"""`train.save_every = 30 minutes`: the value, and its errors."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diff.compare import compare
from hvaedsl.ir.spec_text import flat_values, spec_json
from hvaedsl.ir.training import Minutes
from hvaedsl.program import Program

TEXT = """hvae 1
let n = 3
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x1 }
train { steps = 10  batch_size = 16  learning_rate = 1e-3 }
"""


def program(save_every: str) -> Program:
    return hvaedsl.loads(TEXT, sets={"train.save_every": save_every})


def test_the_resolved_spec_keeps_the_minutes() -> None:
    found = program("30 minutes")
    assert found.spec.train.save_every == Minutes(30)
    assert found.training().save_every.seconds == 1800  # type: ignore[union-attr]
    assert "  save_every      = 30 minutes\n" in found.resolved_text()
    assert hvaedsl.loads(found.resolved_text()).spec == found.spec
    assert flat_values(found.spec)["train.save_every"] == spec_json(found.spec)["train"]["save_every"] == "30 minutes"
    assert program("$n minutes").spec.train.save_every == Minutes(3)
    assert [change.after for change in compare(program("10"), found).keys] == ["30 minutes"]


@pytest.mark.parametrize(
    ("key", "value", "code", "message"),
    [
        ("train.save_every", "0 minutes", "HV205", "`train.save_every` is 0; it must be an integer of at least 1"),
        ("train.save_every", "$m minutes", "HV208", "undefined constant `$m`"),
        (
            "train.save_every",
            "2 epochs",
            "HV204",
            "`train.save_every` must be an integer of at least 1, or a",
        ),
        ("train.steps", "2 minutes", "HV204", "`train.steps` must be an integer of at least 1, or a number of epochs"),
        ("train.keep_last", "0", "HV205", "`train.keep_last` is 0; it must be an integer of at least 1"),
        ("train.keep_every", "0", "HV205", "`train.keep_every` is 0"),
    ],
)
def test_a_wrong_value_is_one_error(key: str, value: str, code: str, message: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(TEXT, sets={key: value})
    (item,) = caught.value.diagnostics
    assert item.code == code
    assert item.message.startswith(message)


def test_a_slip_has_a_way_out() -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(TEXT.replace("steps = 10", "steps = 10  save_every = 30 minute"))
    assert "write `minutes`" in str(caught.value.report)
