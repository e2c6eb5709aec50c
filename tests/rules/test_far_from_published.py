"""HV604: settings far from the published ones, and what is proposed."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from tests.rules.advice import RUN, compiled, of_cifar, text


@pytest.mark.parametrize(
    ("key", "near", "far"),
    [
        ("batch_size = 16", ("2", "160"), ("1", "161")),
        ("learning_rate = 2e-4", ("2e-5", "2e-3"), ("1.9e-5", "3e-3")),
        ("ema_decay = 0.9999", ("0.999", "0"), ("0.99", "0.998")),
    ],
)
def test_far_from_published(key: str, near: tuple[str, ...], far: tuple[str, ...]) -> None:
    name = key.split()[0]
    for value in near:
        assert of_cifar(RUN.replace(key, f"{name} = {value}")) == []
    for value in far:
        assert of_cifar(RUN.replace(key, f"{name} = {value}")) == [("HV604", value)]


@pytest.mark.parametrize(
    ("setting", "value", "message", "label"),
    [
        ("batch_size = 16", "123456", "`train.batch_size` is 123,456; ", "7,720 times larger"),
        ("learning_rate = 2e-4", "1", "`train.learning_rate` is 1; ", "5,000 times larger"),
        ("learning_rate = 2e-4", "1.5e-6", "`train.learning_rate` is 1.5e-06; ", "133 times smaller"),
        ("ema_decay = 0.9999", "0.9", "`train.ema_decay` is 0.9; ", "a horizon 1,000 times shorter"),
    ],
)
def test_the_distance_is_told_in_full(setting: str, value: str, message: str, label: str) -> None:
    train = RUN.replace(setting, f"{setting.split()[0]} = {value}")
    (advice,) = compiled("32x2, 32d2, 16x1", "16x1, 32m16, 32x2", dataset="cifar10", train=train).advice
    assert advice.message.startswith(message)
    assert advice.label_text == label


@pytest.mark.parametrize(
    ("batch", "micro", "written"),
    [(320, 8, None), (162, 54, 16), (330, 5, 4), (162, 162, 16), (1, 1, None)],
)
def test_the_published_batch_and_a_split_that_fits_it(batch: int, micro: int, written: int | None) -> None:
    parts = RUN.replace("batch_size = 16", f"micro_batch = {micro}  batch_size = {batch}")
    source = text("32x2, 32d2, 16x1", "16x1, 32m16, 32x2", dataset="cifar10", train=parts)
    (advice,) = hvaedsl.loads(source).advice
    (way,) = advice.suggestions
    assert ("micro_batch" in advice.help_text) == (written is not None)

    program = hvaedsl.loads(edited(source, way.edits))
    assert not program.advice
    assert (program.spec.train.batch_size, program.spec.train.micro_batch) == (16, written or micro)


def test_a_split_of_a_base_is_written_beside_the_batch(tmp_path: Path) -> None:
    parts = RUN.replace("batch_size = 16", "micro_batch = 54")
    base = text("32x2, 32d2, 16x1", "16x1, 32m16, 32x2", dataset="cifar10", train=parts)
    child = 'hvae 1 extends "base.hvae"\ntrain { batch_size = 162 }\n'
    (tmp_path / "base.hvae").write_text(base.replace("train {", "train { batch_size = 54 "))
    (tmp_path / "child.hvae").write_text(child)
    (way,) = [item.suggestions[0] for item in hvaedsl.load(tmp_path / "child.hvae").advice if item.code == "HV604"]
    (tmp_path / "child.hvae").write_text(edited(child, way.edits))

    program = hvaedsl.load(tmp_path / "child.hvae")
    assert not program.advice
    assert (program.spec.train.batch_size, program.spec.train.micro_batch) == (16, 16)
