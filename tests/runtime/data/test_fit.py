"""`data.fit` of a folder: what each value does to its files, and prepared images of another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import RunError, UnusableImages, UsageError
from hvaedsl.ir.data_spec import FileFit
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.fitting import fitting_from
from hvaedsl_runtime.data.prepare import data_to_prepare, fitting_of, prepare
from hvaedsl_runtime.data.prepared import PreparedSet
from tests.runtime.data.image_folders import everything
from tests.runtime.data.test_prepare import no_bar

FITS: tuple[FileFit, ...] = get_args(FileFit)
# Height and width of a file, and the values under which it is taken at 8 x 8.
TAKEN: dict[tuple[int, int], tuple[FileFit, ...]] = {
    (8, 8): FITS,
    (8, 12): ("crop_resize", "crop"),
    (16, 16): ("crop_resize", "resize"),
    (16, 20): ("crop_resize",),
}


def images_of(size: tuple[int, int], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for index in range(10):
        Image.fromarray(np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)).save(
            folder / f"{index}.png"
        )
    return folder


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", TAKEN)
def test_a_file_is_taken_or_refused(size: tuple[int, int], fit: FileFit, tmp_path: Path, make_spec: Any) -> None:
    assert fitting_from(fit).fit == fit
    photos = images_of(size, tmp_path / "photos")
    spec = make_spec("folder", path=str(photos), validation=0, fit=fit)
    target = tmp_path / "set"
    if fit not in TAKEN[size]:
        with pytest.raises(UnusableImages, match="the image") as raw:
            everything(open_split(spec, "train"))
        assert "data.fit" in str(raw.value.help)
        with pytest.raises(UnusableImages, match="the image"):
            prepare(spec, photos, target, overwrite=False, bar=no_bar)
        return

    manifest = prepare(spec, photos, target, overwrite=False, bar=no_bar)
    assert manifest.fit is not None
    assert manifest.fit.fit == fit
    assert (manifest.changes["cropped"], manifest.changes["resized"]) == (
        10 * (size[0] != size[1]),
        10 * (size[0] != 8),
    )
    prepared = open_split(spec.model_copy(update={"path": str(target)}), "train")
    np.testing.assert_array_equal(everything(prepared), everything(open_split(spec, "train")))


def test_images_that_were_prepared_under_another_fit_are_refused(tmp_path: Path, make_spec: Any) -> None:
    photos, target = images_of((8, 8), tmp_path / "photos"), tmp_path / "set"
    spec = make_spec("folder", path=str(target), fit="crop")
    prepare(data_to_prepare("folder", 8, 1), photos, target, overwrite=False, bar=no_bar, fitting=fitting_from("crop"))
    assert len(open_split(spec, "train")) == 7
    for fit in ("crop_resize", "resize", "refuse"):
        with pytest.raises(RunError, match=f"prepared with fit crop; data.fit is {fit}") as caught:
            open_split(spec.model_copy(update={"fit": fit}), "train")
        assert f"set data.fit to crop, or prepare the images again with --fit {fit}" in str(caught.value.help)

    # Before the key existed, a spec said nothing about it: those images go on with the default.
    path = target / "manifest.json"
    content = json.loads(path.read_text())
    del content["fit"]["fit"]
    path.write_text(json.dumps(content))
    assert PreparedSet.at(target).manifest.fit is not None
    for fit in ("crop_resize", "crop"):
        assert len(open_split(spec.model_copy(update={"fit": fit}), "train")) == 7
    with pytest.raises(RunError, match=r"prepared with fit crop; data\.fit is refuse"):
        open_split(spec.model_copy(update={"fit": "refuse"}), "train")


def test_the_options_of_the_command_say_the_same(tmp_path: Path, command: Any) -> None:
    photos = images_of((8, 8), tmp_path / "photos")
    shape = ("--resolution", "8", "--channels", "1", "--out", tmp_path / "set", "--force")
    for options, fit in (
        ((), "crop_resize"),
        (("--crop", "none"), "resize"),
        (("--no-resize",), "crop"),
        (("--crop", "none", "--no-resize"), "refuse"),
        *((("--fit", fit), fit) for fit in FITS),
    ):
        code, _, err = command("data", "prepare", "folder", "--from", photos, *shape, *options)
        assert code == 0, err
        found = PreparedSet.at(tmp_path / "set").manifest.fit
        assert found is not None
        assert (found.fit, found.allowed) == (fit, fit)
    with pytest.raises(UsageError, match="--fit says what --crop and --resize say"):
        fitting_of("folder", 1, crop=True, resize=None, gray=False, background=None, fit="crop")
    with pytest.raises(UsageError, match="--fit: only for the dataset folder"):
        fitting_of("celeba", 3, crop=None, resize=None, gray=False, background=None, fit="crop")
