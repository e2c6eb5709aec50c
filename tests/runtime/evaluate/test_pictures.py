from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid, save_image

from hvaedsl import Program
from hvaedsl_runtime.evaluate.pictures import save_grid, save_reconstructions, save_samples

Compiled = Callable[..., Program]


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_levels_become_shades_and_pixels_squares(tmp_path: Path, compiled: Compiled) -> None:
    samples = torch.full((9, 8, 8, 1), 0, dtype=torch.uint8)
    samples[0], samples[8] = 16, 8
    save_samples(tmp_path / "x.png", samples, compiled().spec)
    picture = pixels(tmp_path / "x.png")
    assert picture.shape[1] >= 512
    assert picture.shape[0] == picture.shape[1]
    side = picture.shape[0] // 3
    corners = [picture[side * i + side // 2, side * i + side // 2, 0] for i in range(3)]
    assert corners == [255, 0, 128]


def test_binary_samples_are_black_and_white(tmp_path: Path, compiled: Compiled, binary: dict[str, object]) -> None:
    samples = torch.zeros((4, 8, 8, 1), dtype=torch.uint8)
    samples[0] = 255
    save_samples(tmp_path / "x.png", samples, compiled(binary).spec)
    assert set(np.unique(pixels(tmp_path / "x.png"))) == {0, 255}


@pytest.mark.parametrize(("sets", "dark", "bright"), [({}, -1.0, 1.0), (None, 0.0, 1.0)])
def test_reconstructions_stand_below_their_images(
    tmp_path: Path,
    compiled: Compiled,
    binary: dict[str, object],
    sets: dict[str, object] | None,
    dark: float,
    bright: float,
) -> None:
    spec = compiled(binary if sets is None else sets).spec
    originals, reconstructions = torch.full((4, 8, 8, 1), bright), torch.full((4, 8, 8, 1), dark)
    save_reconstructions(tmp_path / "x.png", originals, reconstructions, spec)
    picture = pixels(tmp_path / "x.png")
    height, width = picture.shape[:2]
    assert width >= 512
    assert picture[height // 4, width // 8, 0] == 255
    assert picture[3 * height // 4, width // 8, 0] == 0


def test_large_images_are_not_enlarged(tmp_path: Path, compiled: Compiled) -> None:
    save_samples(tmp_path / "x.png", torch.zeros((1, 600, 600, 1), dtype=torch.uint8), compiled().spec)
    assert pixels(tmp_path / "x.png").shape[:2] == (600, 600)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 1), (2, 3), (7, 3), (9, 3), (16, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_has_the_pixels_of_torchvisions(tmp_path: Path, count: int, columns: int, channels: int) -> None:
    images = 1.2 * torch.rand((count, 8, 6, channels), generator=torch.Generator().manual_seed(0)) - 0.1
    save_grid(tmp_path / "ours.png", images, columns)
    factor = math.ceil(512 / (columns * 6))
    enlarged = images.permute(0, 3, 1, 2).repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    save_image(make_grid(enlarged, nrow=columns), tmp_path / "theirs.png")
    with Image.open(tmp_path / "ours.png") as ours, Image.open(tmp_path / "theirs.png") as theirs:
        assert ours.mode == theirs.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert (tmp_path / "ours.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()
