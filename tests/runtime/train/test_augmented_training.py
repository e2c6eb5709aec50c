"""Runs with `train.augment`: windows, flips and a function of the training images, and evaluation without them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunError, RunMismatch, SpecError
from hvaedsl.program import CustomParts
from hvaedsl_runtime.data import Preparation
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.saved_states import saved

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]

FLIP: dict[str, object] = {"train.augment.horizontal_flip": True}
FUNCTION = """
import torch
from tests.runtime.saved_states import saved

def brighter(image, generator):
    return (image + torch.randint(0, 2, (), generator=generator).item()).clip(0, 16).astype(image.dtype)

def fails_later(image, generator):
    if image[0, 0, 0] == {pixel} and image[0, 1, 0] == {next_pixel}:
        raise ValueError("not this one")
    return image
"""


def settings(out: Path, *, resume: bool = False, gpus: int = 1, dtype: str = "float32") -> RunSettings:
    return RunSettings(out=out, resume=resume, device="cpu", threads=1, gpus=gpus, dtype=dtype)


@pytest.fixture
def function(spec_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module beside the spec."""
    image = np.load(images / "train.npy")[25, 0]
    text = FUNCTION.format(pixel=image[0, 0], next_pixel=image[1, 0])
    (spec_path.parent / "brighter_images.py").write_text(text, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "brighter_images", raising=False)
    return "brighter_images:brighter"


@pytest.fixture
def with_all_three(spec_path: Path, images: Path, function: str) -> Callable[..., Program]:
    """A program whose images are stored at 10x11."""
    rng = np.random.default_rng(4)
    for split, count in (("train", 30), ("validation", 10), ("test", 11)):
        np.save(images / f"{split}.npy", rng.integers(0, 17, (count, 10, 11, 1), dtype=np.uint8))
    sets = {**FLIP, "train.augment.random_crop": "(10, 11)", "train.augment.function": f'"{function}"'}

    def compiled(more: dict[str, object] | None = None) -> Program:
        return hvaedsl.load(spec_path, sets={**sets, **(more or {})}, custom=CustomParts())

    return compiled


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = saved(folder)["model"]
    return found


def assert_equal(one: Path, two: Path, curve: Curve) -> None:
    assert curve(one) == curve(two)
    assert all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())


def test_a_run_with_all_three_is_reproducible_and_another_than_without(
    tmp_path: Path, with_all_three: Compiled, curve: Curve
) -> None:
    train(with_all_three(), settings(tmp_path / "one"))
    train(with_all_three(), settings(tmp_path / "two"))
    assert_equal(tmp_path / "one", tmp_path / "two", curve)
    for without in ("horizontal_flip", "function"):
        off = "false" if without == "horizontal_flip" else "none"
        train(with_all_three({f"train.augment.{without}": off}), settings(tmp_path / without))
        losses = [[line["loss_nats_per_dim"] for line in curve(tmp_path / name)] for name in ("one", without)]
        assert losses[0] != losses[1]

    # The evaluation of a finished run opens the same centers.
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    bounds = FinishedRun.open(tmp_path / "one", "cpu").evaluate("test")
    assert bounds["ema"].images == 11
    assert bounds["ema"].dimensions == 64
    assert bounds["ema"].loss_nats_per_dim == pytest.approx(summary["test"]["ema"]["loss_nats_per_dim"], rel=1e-6)


@pytest.mark.parametrize("steps", [3, 7])
def test_a_run_that_is_resumed_within_an_epoch_is_the_uninterrupted_one(
    tmp_path: Path, with_all_three: Compiled, curve: Curve, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """30 images and 4 a step: step 3 is within the first epoch, and step 7 has images of two."""
    train(with_all_three(), settings(tmp_path / "whole"))
    train(with_all_three({"train.steps": steps}), settings(tmp_path / "parts"))
    train(with_all_three(), settings(tmp_path / "parts", resume=True))
    whole = [line for line in curve(tmp_path / "whole") if line["split"] == "train"]
    assert [line for line in curve(tmp_path / "parts") if line["split"] == "train"] == whole
    assert all(torch.equal(value, weights(tmp_path / "parts")[n]) for n, value in weights(tmp_path / "whole").items())


@pytest.mark.long
def test_two_processes_train_like_one(tmp_path: Path, with_all_three: Compiled, curve: Curve) -> None:
    launch(with_all_three({"train.batch_size": 4}), settings(tmp_path / "one", dtype="float64"))
    launch(with_all_three({"train.batch_size": 4}), settings(tmp_path / "two", gpus=2, dtype="float64"))
    for one, two in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert one["loss_nats_per_dim"] == pytest.approx(two["loss_nats_per_dim"], rel=1e-12)


def test_evaluation_has_no_augmentation(tmp_path: Path, compiled: Compiled, alone: Any) -> None:
    """Equal weights give equal bounds, and equal statistics, with and without it."""
    bounds, prepared = [], []
    for name, sets in (("with", FLIP), ("without", {})):
        with TrainingRun(compiled(sets), settings(tmp_path / name), alone) as run:
            prepared.append(run.state.preparation)
            bounds.append(run.finish())
    assert bounds[0] == bounds[1]
    assert prepared[0] == prepared[1]


def test_statistics_are_those_of_the_centers(
    tmp_path: Path, with_all_three: Compiled, images: Path, alone: Any
) -> None:
    with TrainingRun(with_all_three(), settings(tmp_path / "run"), alone) as run:
        found = run.state.preparation
    assert isinstance(found, Preparation)
    center = np.load(images / "train.npy")[:, 1:9, 1:9]
    assert found.shift == pytest.approx(-center.mean())
    assert found.scale == pytest.approx(1 / center.std())


def test_the_section_off_is_the_section_left_out(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    off = {"train.augment.horizontal_flip": "false", "train.augment.random_crop": "8", "train.augment.function": "none"}
    train(compiled(), settings(tmp_path / "without"))
    train(compiled(off), settings(tmp_path / "off"))
    assert_equal(tmp_path / "without", tmp_path / "off", curve)


def test_a_run_is_not_resumed_under_another_augmentation(tmp_path: Path, compiled: Compiled) -> None:
    train(compiled(), settings(tmp_path / "run"))
    with pytest.raises(RunMismatch, match=r"train\.augment\.horizontal_flip: false in the run, true now"):
        train(compiled(FLIP), settings(tmp_path / "run", resume=True))
    crop: dict[str, object] = {"train.augment.random_crop": "(9, 10)"}
    with pytest.raises(RunMismatch, match=r"train\.augment\.random_crop: none in the run, \(9, 10\) now"):
        train(compiled(crop), settings(tmp_path / "run", resume=True))


def test_a_function_that_fails_in_training_ends_the_run_with_its_image(
    tmp_path: Path, spec_path: Path, function: str
) -> None:
    sets: dict[str, object] = {"train.augment.function": '"brighter_images:fails_later"'}
    program = hvaedsl.load(spec_path, sets=sets, custom=CustomParts())
    with pytest.raises(
        RunError, match=r"on training image 25 in epoch \d: it fails: ValueError: not this one"
    ) as caught:
        train(program, settings(tmp_path / "run"))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("no_such_module:changed", "no module named no_such_module"),
        ("brighter_images:no_such_function", "brighter_images has no no_such_function"),
        ("brighter_images:torch", "it is not a function"),
    ],
)
def test_a_function_that_cannot_be_imported_is_reported_at_the_key(
    spec_path: Path, function: str, reference: str, problem: str
) -> None:
    sets: dict[str, object] = {"train.augment.function": f'"{reference}"'}
    with pytest.raises(SpecError) as caught:
        hvaedsl.load(spec_path, sets=sets, custom=CustomParts())
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.text) == ("HV220", f'"{reference}"')
    assert problem in found.message
    assert hvaedsl.load(spec_path, sets=sets).python_source(), "nothing is imported without permission"
