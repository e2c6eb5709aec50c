"""`train.steps = 20 epochs`: the value, its errors, and the rules that need a number of steps."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diff.compare import compare
from hvaedsl.ir.spec import LENGTH_KEYS, known_steps
from hvaedsl.ir.spec_text import flat_values, spec_json
from hvaedsl.ir.training import Epochs
from hvaedsl.program import Program

TEXT = """hvae 1
let n = 3
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x1 }
train { batch_size = 16  learning_rate = 1e-3 }
"""


def program(steps: str, **sets: object) -> Program:
    return hvaedsl.loads(TEXT, sets={"train.steps": steps, **{key.replace("__", "."): at for key, at in sets.items()}})


def test_the_resolved_spec_keeps_the_epochs() -> None:
    found = program("20 epochs")
    assert found.spec.train.steps == found.training().steps == Epochs(20)
    assert "  steps           = 20 epochs\n" in found.resolved_text()
    assert hvaedsl.loads(found.resolved_text()).spec == found.spec
    assert flat_values(found.spec)["train.steps"] == spec_json(found.spec)["train"]["steps"] == "20 epochs"
    assert program("$n epochs").spec.train.steps == Epochs(3)
    assert [change.after for change in compare(program("10"), found).keys] == ["20 epochs"]
    assert compare(program("3 epochs"), program("$n epochs")).is_empty


@pytest.mark.parametrize(
    ("images", "batch", "steps"), [(30, 16, 38), (32, 16, 40), (33, 16, 42), (30, 64, 10), (1, 128, 1)]
)
def test_the_steps_draw_every_image_so_often_and_are_rounded_up(images: int, batch: int, steps: int) -> None:
    training = program("20 epochs", train__batch_size=batch).training()
    assert training.for_run(images).steps == steps
    assert training.for_run(images).model_copy(update={"steps": Epochs(20)}).model_dump(
        exclude={"steps"}
    ) == training.model_dump(exclude={"steps"})
    assert program("7").training().for_run(images).steps == 7


@pytest.mark.parametrize(
    ("key", "value", "code", "message"),
    [
        ("train.steps", "0 epochs", "HV205", "`train.steps` is 0; it must be an integer of at least 1"),
        ("train.steps", "$m epochs", "HV208", "undefined constant `$m`"),
        ("train.eval_every", "2 epochs", "HV204", "`train.eval_every` must be an integer of at least 1"),
        ("model.width", "2 epochs", "HV204", "`model.width` must be an integer of at least 1"),
        (
            "train.steps",
            "epochs",
            "HV204",
            "`train.steps` must be an integer of at least 1, or a number of epochs such as ",
        ),
    ],
)
def test_a_wrong_number_of_epochs_is_one_error(key: str, value: str, code: str, message: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(TEXT, sets={key: value})
    (item,) = caught.value.diagnostics
    assert item.code == code
    assert item.message.startswith(message)


def test_a_constant_is_no_number_of_epochs_and_a_key_may_be_called_so() -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(TEXT.replace("let n = 3", "let n = 3 epochs"))
    assert caught.value.diagnostics[0].code == "HV213"
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(TEXT.replace("batch_size = 16", "batch_size = 16 epochs = 3"))
    assert [item.code for item in caught.value.diagnostics] == ["HV201"]


def test_rules_that_need_steps_know_those_of_known_datasets() -> None:
    assert known_steps(program("20 epochs").spec) == 1572
    assert known_steps(program("20 epochs", data__validation=0).spec) == 1797
    short = program("2 epochs", train__ema_decay=0.9999)
    assert "HV601" in [item.code for item in short.advice]
    npy = {"data.dataset": "npy", "data.channels": 1, "data.resolution": 8}
    unknown = hvaedsl.loads(TEXT, sets={**npy, "train.steps": "2 epochs", "train.ema_decay": 0.9999})
    assert known_steps(unknown.spec) is None
    assert "HV601" not in [item.code for item in unknown.advice]
    without_batch = hvaedsl.loads(TEXT.replace("batch_size = 16", ""), sets={"train.steps": "2 epochs"})
    assert known_steps(without_batch.spec) is None


def test_the_steps_depend_on_each_key_of_the_length() -> None:
    changes: dict[str, dict[str, object]] = {
        "train.steps": {"train.steps": "10 epochs"},
        "train.batch_size": {"train.batch_size": 8},
        "data.dataset": {"data.dataset": "npy", "data.channels": 1, "data.resolution": 8},
        "data.validation": {"data.validation": 0},
    }
    assert set(LENGTH_KEYS) == set(changes)
    for sets in changes.values():
        assert known_steps(hvaedsl.loads(TEXT, sets={"train.steps": "20 epochs", **sets}).spec) != 1572
