"""Images that are not square: files, arrays and prepared images of another width than height."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import RunError
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.fitting import Change, Fitting
from hvaedsl_runtime.data.image_file import fit_to
from hvaedsl_runtime.data.prepare import prepare
from hvaedsl_runtime.data.prepared import PreparedSet
from hvaedsl_runtime.data.problems import Unusable
from tests.runtime.data.image_folders import everything, write

Window = tuple[int, int, int, int]  # left, top, right, bottom
HEIGHT, WIDTH = 6, 10
SIZE = ImageSize(HEIGHT, WIDTH)


def pixels(count: int, height: int = HEIGHT, width: int = WIDTH, channels: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "window", "changes"),
    [
        (6, 10, (0, 0, 10, 6), Change(0)),
        (12, 20, (0, 0, 20, 12), Change.RESIZED),
        (6, 14, (2, 0, 12, 6), Change.CROPPED),
        (16, 10, (0, 5, 10, 11), Change.CROPPED),
        (10, 6, (0, 3, 6, 6), Change.CROPPED | Change.RESIZED),
        (7, 23, (6, 0, 17, 7), Change.CROPPED | Change.RESIZED),
    ],
)
def test_the_largest_center_of_the_ratio(height: int, width: int, window: Window, changes: Change) -> None:
    image = Image.fromarray(pixels(1, height, width)[0, ..., 0])
    fitted, found = fit_to(HEIGHT, WIDTH, Fitting())(image)
    assert found == changes
    expected = image.crop(window)
    if expected.size != (WIDTH, HEIGHT):
        expected = expected.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.asarray(fitted), np.asarray(expected))


@pytest.mark.parametrize(
    ("height", "width", "reason", "remedy"),
    [
        (10, 6, "6 wide and 10 high; 6x10 is 6 high and 10 wide", "write the resolution as height and width: (10, 6)"),
        (6, 6, "it must have the ratio of 6 high to 10 wide", "data.fit"),
    ],
)
def test_another_ratio_is_refused_by_name(height: int, width: int, reason: str, remedy: str) -> None:
    with pytest.raises(Unusable, match=reason) as caught:
        fit_to(HEIGHT, WIDTH, Fitting(crop=False))(Image.fromarray(pixels(1, height, width)[0, ..., 0]))
    assert remedy in caught.value.remedy
    with pytest.raises(Unusable, match="it must be square"):
        fit_to(8, 8, Fitting(crop=False))(Image.fromarray(pixels(1)[0, ..., 0]))


def test_a_folder_and_its_prepared_images_are_equal(make_spec: Any, tmp_path: Path) -> None:
    for name, count in (("train", 5), ("test", 3)):
        write(tmp_path / "raw" / name, pixels(count))
    spec: DataSpec = make_spec("folder", path=str(tmp_path / "raw"), resolution=SIZE, validation=0)
    raw = everything(open_split(spec, "train"))
    np.testing.assert_array_equal(raw, pixels(5))
    prepare(spec, tmp_path / "raw", tmp_path / "prepared", overwrite=False, bar=lambda *_: nullcontext(lambda _: None))
    found = PreparedSet.at(tmp_path / "prepared")
    assert found.manifest.resolution == SIZE
    assert "folder, 6x10x1, 256 levels" in found.summary()
    np.testing.assert_array_equal(everything(found.split(spec, "train")), raw)
    with pytest.raises(RunError, match="the images are 6x10x1; the spec needs 10x6x1"):
        found.split(spec.model_copy(update={"resolution": ImageSize(WIDTH, HEIGHT)}), "train")


@pytest.mark.parametrize("channels", [1, 3])
def test_an_array_with_exchanged_sides_says_so(make_spec: Any, tmp_path: Path, channels: int) -> None:
    path = tmp_path / "all.npy"
    spec = make_spec("npy", path=str(path), resolution=SIZE, channels=channels)
    np.save(path, pixels(20, channels=channels))
    assert everything(open_split(spec, "train")).shape == (16, HEIGHT, WIDTH, channels)
    for exchanged in ((0, 2, 1, 3), (0, 3, 2, 1)):
        np.save(path, pixels(20, channels=channels).transpose(exchanged))
        with pytest.raises(RunError, match=rf"must be uint8 \[N, 6, 10, {channels}\]") as caught:
            open_split(spec, "train")
        assert caught.value.help == "the images are 10 high and 6 wide: set data.resolution to (10, 6)"
