from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib import rc_context, rcParams
from PIL import Image

from hvaedsl_runtime.analysis.figures import image_grid, mark_jumps, panels, png, style, svg


def pixels(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_every_pixel_as_it_is(channels: int) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 8, channels)
    shown = pixels(png(image_grid(images, rows=("above", "below"), columns=("a", "b", "c"))))
    factor, gap = 12, 4
    height = 2 * (8 * factor + gap) - gap
    width = 3 * (8 * factor + gap) - gap
    left, top = shown.shape[1] - 12 - width, shown.shape[0] - 12 - height
    for row in range(2):
        for column in range(3):
            corner = shown[top + row * (8 * factor + gap) :, left + column * (8 * factor + gap) :]
            centers = corner[factor // 2 : 8 * factor : factor, factor // 2 : 8 * factor : factor]
            expected = (images[row, column].expand(8, 8, 3) * 255).numpy()
            assert np.abs(centers - expected).max() <= 1


def test_large_images_are_averaged_down_and_values_outside_are_cut() -> None:
    images = torch.full((1, 1, 512, 512, 3), 2.0)
    images[..., 0] = -1.0
    shown = pixels(png(image_grid(images)))
    assert max(shown.shape) < 250
    assert tuple(shown[shown.shape[0] // 2, shown.shape[1] // 2]) == (0, 255, 255)


def test_equal_figures_give_equal_files_without_external_references() -> None:
    def make() -> bytes:
        with style():
            figure, (axes,) = panels()
            axes.plot([0, 1, 2], [1, 3, 2], label="line")
            axes.set_title("title")
            mark_jumps(axes, [(1.0, "4 → 8")])
            axes.legend()
        return svg(figure)

    one = make()
    assert one == make()
    with rc_context({"text.usetex": True, "lines.linewidth": 9.0, "font.family": "monospace"}):
        assert one == make()
    assert b"<image" not in one
    assert b"@import" not in one


def test_the_style_is_restored() -> None:
    before = rcParams["axes.grid"]
    with style():
        assert rcParams["axes.grid"] is True
    assert rcParams["axes.grid"] == before
