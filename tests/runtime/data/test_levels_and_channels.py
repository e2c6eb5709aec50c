"""Images of more than 256 levels, and of other channels than gray and color: arrays, tensors, baselines, pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl.diagnostics.errors import RunError
from hvaedsl.diagnostics.snippet import spec as spec_text
from hvaedsl_runtime.data import logistic_baseline_bits_per_dim, open_split, preparation
from hvaedsl_runtime.data.images import ArrayImages, ImageSet
from hvaedsl_runtime.evaluate.pictures import samples_for_display, shown_values, targets_for_display
from tests.runtime.data.image_folders import everything


def saved(path: Path, levels: int, dtype: Any, channels: int = 1) -> Path:
    images = np.random.default_rng(0).integers(0, levels, (30, 8, 8, channels))
    images.flat[:2] = 0, levels - 1
    np.save(path, images.astype(dtype))
    return path


def image_set(pixels: np.ndarray[Any, Any], levels: int) -> ImageSet:
    return ImageSet("mine", "train", levels, pixels.shape[1:], ArrayImages(pixels), np.arange(len(pixels)))


def program(channels: int, levels: int, sample: str = "") -> hvaedsl.Program:
    data = f"dataset = npy  channels = {channels}  resolution = 8  levels = {levels}"
    return hvaedsl.loads(spec_text(data=data, rest=f"sample {{ {sample} }}"))


@pytest.mark.parametrize("levels", [257, 4_096, 65_536])
def test_an_array_of_many_levels(make_spec: Any, tmp_path: Path, levels: int) -> None:
    path = saved(tmp_path / "all.npy", levels, np.uint16)
    train = open_split(make_spec("npy", path=str(path), levels=levels), "train")
    assert everything(train).dtype == np.uint16
    made = program(1, levels)
    prepare = preparation(made.spec.data, made.spec.model.likelihood, train)
    pixels = everything(train)
    x, target = prepare(prepare.tensor(pixels), dtype=torch.float64)
    np.testing.assert_allclose(target.numpy(), 2 * pixels.astype(float) / (levels - 1) - 1, rtol=0, atol=1e-15)
    np.testing.assert_allclose([x.mean(), x.std(correction=0)], [0, 1], atol=1e-9)


def test_the_same_images_as_uint8_and_as_uint16_give_one_loss(make_spec: Any, tmp_path: Path) -> None:
    model = program(1, 256).module()
    losses = []
    for dtype in (np.uint8, np.uint16):
        path = saved(tmp_path / "all.npy", 256, dtype)
        train = open_split(make_spec("npy", path=str(path)), "train")
        made = preparation(program(1, 256).spec.data, program(1, 256).spec.model.likelihood, train)
        x, target = made(made.tensor(everything(train)))
        losses.append(model(x, target, lambda _, shape: torch.zeros(shape)).loss_nats_per_dim)
    assert torch.equal(*losses)


@pytest.mark.parametrize(
    ("dtype", "levels", "needed", "way_out"),
    [
        (np.uint8, 4_096, "uint16", "set data.levels to at most 256, or save the images as uint16"),
        (np.int32, 4_096, "uint16", 'images.astype("uint16")'),
        (np.int32, 256, "uint8", 'images.astype("uint8")'),
    ],
)
def test_levels_that_do_not_fit_the_type(
    make_spec: Any, tmp_path: Path, dtype: Any, levels: int, needed: str, way_out: str
) -> None:
    path = saved(tmp_path / "all.npy", min(levels, 256), dtype)
    with pytest.raises(RunError, match=rf"it must be {needed} \[N, 8, 8, 1\]") as caught:
        open_split(make_spec("npy", path=str(path), levels=levels), "train")
    assert way_out in caught.value.help


@pytest.mark.parametrize(("dtype", "levels"), [(np.uint8, 17), (np.uint16, 256), (np.uint16, 300)])
def test_a_level_too_high_is_found(make_spec: Any, tmp_path: Path, dtype: Any, levels: int) -> None:
    path = saved(tmp_path / "all.npy", levels + 1, dtype)
    with pytest.raises(RunError, match=f"the highest value is {levels}; values must be 0 to {levels - 1}"):
        open_split(make_spec("npy", path=str(path), levels=levels), "train")


def test_the_baseline_of_many_levels_against_a_slow_independent_computation() -> None:
    levels, rng = 300, np.random.default_rng(3)
    pixels = rng.integers(0, levels, (2, 7, 2, 3, 2)).astype(np.uint16)
    pixels[:, 0, 0, 0] = 0, levels - 1
    train, test = pixels
    bits = []
    for place in np.ndindex(train.shape[1:]):
        values = [float(image[place]) for image in train]
        scale = max(1.0, float(np.std(values))) * math.sqrt(3) / math.pi
        for image in test:
            edges = [(int(image[place]) + side - float(np.mean(values))) / scale for side in (-0.5, 0.5)]
            below, above = (1 / (1 + math.exp(-edge)) for edge in edges)
            mass = (1 if image[place] == levels - 1 else above) - (0 if image[place] == 0 else below)
            bits.append(-math.log2(mass))
    found = logistic_baseline_bits_per_dim(image_set(train, levels), image_set(test, levels))
    assert found == pytest.approx(sum(bits) / len(bits), rel=1e-9)


def test_the_baseline_of_many_levels_is_that_of_its_logistics() -> None:
    """Of images that a logistic made, it is close to the entropy; of constant ones, close to nothing."""
    levels, rng = 4_096, np.random.default_rng(0)
    uniform = rng.uniform(1e-9, 1 - 1e-9, (2, 20_000, 1, 1, 1))
    drawn = np.clip(np.round(2_000 + 40 * np.log(uniform / (1 - uniform))), 0, levels - 1).astype(np.uint16)
    train, test = (image_set(part, levels) for part in drawn)
    entropy_bits = (np.log(40) + 2) / np.log(2)
    assert logistic_baseline_bits_per_dim(train, test) == pytest.approx(entropy_bits, abs=0.02)
    constant = image_set(np.full((5, 2, 2, 1), 7, dtype=np.uint16), levels)
    assert logistic_baseline_bits_per_dim(constant, constant) == pytest.approx(1.25, abs=0.1)
    ends = image_set(np.array([0, levels - 1] * 50, dtype=np.uint16).reshape(-1, 1, 1, 1), levels)
    assert np.isfinite(logistic_baseline_bits_per_dim(ends, ends))


@pytest.mark.parametrize(
    ("channels", "sample", "shown"), [(4, "", [0]), (4, "channels = 3, 0, 1", [3, 0, 1]), (3, "", [0, 1, 2])]
)
def test_pictures_show_the_channels_that_the_spec_names(channels: int, sample: str, shown: list[int]) -> None:
    spec = program(channels, 4_096, sample).spec
    levels = torch.randint(0, 4_096, (2, 8, 8, channels))
    torch.testing.assert_close(samples_for_display(levels, spec), levels[..., shown] / 4_095)
    targets = torch.rand(2, 8, 8, channels) * 2 - 1
    torch.testing.assert_close(targets_for_display(targets, spec), (targets[..., shown] + 1) / 2)


def test_pictures_of_many_levels_show_the_range_of_the_training_images(make_spec: Any, tmp_path: Path) -> None:
    """Half a percent of the values is black and half a percent white; samples and targets agree."""
    pixels = np.random.default_rng(0).integers(1_000, 2_001, (200, 8, 8, 1)).astype(np.uint16)
    pixels[0, 0, 0], pixels[0, 0, 1] = 0, 4_095
    np.save(tmp_path / "all.npy", pixels)
    made = program(1, 4_096)
    train = open_split(make_spec("npy", path=str(tmp_path / "all.npy"), levels=4_096), "train")
    prepare = preparation(made.spec.data, made.spec.model.likelihood, train)
    black, white = prepare.shown or (0, 0)
    assert black == pytest.approx(1_005, abs=2)
    assert white == pytest.approx(1_995, abs=2)
    assert shown_values(made.spec, prepare) == f"levels {black:.0f} to {white:.0f}"

    samples = torch.tensor([0, int(black), 1_500, int(white), 4_095], dtype=torch.int32).reshape(1, 1, 5, 1)
    expected = torch.tensor([0.0, 0.0, (1_500 - black) / (white - black), 1.0, 1.0]).reshape(1, 1, 5, 1)
    torch.testing.assert_close(samples_for_display(samples, made.spec, prepare), expected)
    targets = 2 * samples.float() / 4_095 - 1
    torch.testing.assert_close(targets_for_display(targets, made.spec, prepare), expected, atol=1e-3, rtol=0)


def test_up_to_256_levels_and_earlier_runs_show_all_levels(make_spec: Any, tmp_path: Path) -> None:
    train = open_split(make_spec("npy", path=str(saved(tmp_path / "all.npy", 256, np.uint8))), "train")
    made = program(1, 256)
    prepare = preparation(made.spec.data, made.spec.model.likelihood, train)
    assert prepare.shown is None
    assert shown_values(made.spec, prepare) == ""
    fine = program(1, 4_096)
    earlier = prepare.model_copy(update={"levels": 4_096})  # as a checkpoint of before has it
    levels = torch.randint(0, 4_096, (2, 8, 8, 1), dtype=torch.int32)
    assert torch.equal(samples_for_display(levels, fine.spec, earlier), samples_for_display(levels, fine.spec))
