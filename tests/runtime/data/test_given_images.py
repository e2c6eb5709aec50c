"""Images that are given to a trained model and do not fit: the way out is in the images, since the spec stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import RunError
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.images import Pixels
from tests.runtime.data.image_folders import everything, write

LINE = "with `images` the array, save `{}` with numpy.save"
TO_GRAY = "convert the files to gray with `hvaedsl data prepare` and --gray"


def pixels(*shape: int, dtype: type = np.uint8, high: int = 256) -> Pixels:
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def way_out(path: Path, spec: DataSpec, size: ImageSize | None = None) -> str:
    """The help of the error of images that do not fit."""
    with pytest.raises(RunError) as caught:
        everything(given_images([path], spec, size).images)
    assert "data." not in caught.value.help
    assert "--fit" not in caught.value.help
    return caught.value.help


@pytest.mark.parametrize(
    ("array", "channels", "help_text"),
    [
        (pixels(3, 10, 6, 1), 1, "give images of the shape [6, 10, 1]"),
        (pixels(3, 7, 7, 1), 1, "give images of the shape [6, 10, 1]"),
        (pixels(3, 7, 7), 1, "put the channel axis last, for gray images too, or give images of the shape [6, 10, 1]"),
        (pixels(3, 6, 10), 1, LINE.format("images[..., None]")),
        (pixels(3, 6, 10), 3, f"the images have one channel: {LINE.format('images[..., None].repeat(3, axis=-1)')}"),
        (pixels(3, 6, 10, 1) / 9, 3, "the images have one channel: give images of 3 channels"),
        (
            pixels(3, 6, 10, 1, dtype=np.uint16, high=2**16),
            1,
            'scale images of 16 bits, `(images / 257).round().astype("uint8")` with numpy',
        ),
    ],
)  # fmt: skip
def test_an_array(make_spec: Any, tmp_path: Path, array: Pixels, channels: int, help_text: str) -> None:
    np.save(tmp_path / "given.npy", array)
    spec: DataSpec = make_spec("npy", resolution=ImageSize(6, 10), channels=channels)
    assert way_out(tmp_path / "given.npy", spec) == help_text


def test_an_array_of_another_size_than_the_crop(make_spec: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "given.npy", pixels(3, 8, 11, 1))
    spec: DataSpec = make_spec("npy", resolution=ImageSize(6, 10))
    assert way_out(tmp_path / "given.npy", spec, ImageSize(9, 12)) == "give images of the shape [9, 12, 1]"


@pytest.mark.parametrize(
    ("images", "fit", "levels", "help_text"),
    [
        (pixels(2, 10, 6, 1), "refuse", 256, "turn or crop the files"),
        (pixels(2, 9, 9, 1), "refuse", 256, "crop the files"),
        (pixels(2, 12, 20, 1), "refuse", 256, "resize the files"),
        (pixels(2, 6, 10, 3), "crop_resize", 256, TO_GRAY),
        (pixels(2, 6, 10, 1), "crop_resize", 17, "store levels (0, 1, ...) instead of shades of gray (0 to 255)"),
        (pixels(2, 6, 10, 1), "crop_resize", 65_536, "save the images as PNG or TIFF files of 16 bits"),
    ],
)
def test_files(make_spec: Any, tmp_path: Path, images: Pixels, fit: str, levels: int, help_text: str) -> None:
    write(tmp_path / "given", images)
    spec: DataSpec = make_spec("folder", resolution=ImageSize(6, 10), fit=fit, levels=levels)
    assert way_out(tmp_path / "given", spec) == help_text
