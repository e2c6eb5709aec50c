"""Images of a run that have changed since: no message proposes to change the spec of a trained model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvaedsl
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

Command = Callable[..., tuple[object, str, str]]
SPEC = """hvae 1
data {{ dataset = {dataset} path = "{path}" channels = 1 resolution = 8 }}
model {{ width = 4 latent = 2 encoder = 8d8, 1x1 decoder = 1x1, 8m1 }}
train {{ steps = 1 batch_size = 4 learning_rate = 1e-3 }}
"""


def pixels(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def run(folder: Path, dataset: str) -> Path:
    """A run on 20 arrays or files in the folder `images`."""
    torch.set_num_threads(1)
    images = folder / "images"
    images.mkdir()
    if dataset == "npy":
        np.save(images / "all.npy", pixels(20, 8, 8, 1))
    else:
        for index, image in enumerate(pixels(20, 8, 8)):
            Image.fromarray(image).save(images / f"{index:02}.png")
    path = folder / "small.hvae"
    path.write_text(SPEC.format(dataset=dataset, path=images), encoding="utf-8")
    train(hvaedsl.load(path), RunSettings(out=folder / "run", device="cpu", threads=1))
    return folder / "run"


def of_another_shape(images: Path) -> None:
    np.save(images / "all.npy", pixels(20, 8, 12, 1))


def in_color(images: Path) -> None:
    for index, image in enumerate(pixels(20, 8, 8, 3)):
        Image.fromarray(image).save(images / f"{index:02}.png")


def gone(images: Path) -> None:
    shutil.rmtree(images)


@pytest.mark.parametrize(
    ("dataset", "change", "reason"),
    [
        ("npy", of_another_shape, "the array has shape [20, 8, 12, 1]"),
        ("npy", gone, "were not found"),
        ("folder", in_color, "the image is in color, and 1 channel was asked for"),
        ("folder", gone, "were not found"),
    ],
)
def test_changed_images(
    dataset: str, change: Callable[[Path], None], reason: str, tmp_path: Path, command: Command
) -> None:
    folder = run(tmp_path, dataset)
    change(tmp_path / "images")
    for arguments in (("reconstruct", folder, "--split", "test", "--out", tmp_path / "r.npz"), ("eval", folder)):
        code, _, err = command(*arguments)
        message, _, way_out = " ".join(err.split()).partition("help:")
        assert code == 4
        assert reason in message
        assert way_out
        assert "data." not in way_out
        assert "spec that" not in way_out


def test_a_split_that_the_run_does_not_have(tmp_path: Path, command: Command) -> None:
    code, _, err = command("reconstruct", run(tmp_path, "npy"), "--split", "validation", "--out", tmp_path / "r.npz")
    assert code == 4
    message, _, way_out = " ".join(err.split()).partition("help:")
    assert "npy has no validation images" in message
    assert "or take another split" in way_out
    assert "data." not in way_out
