"""`hvaedsl reconstruct`: images from files, arrays and splits, in the order given and with their names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import InvalidData, UsageError
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data.file_images import shades_of_levels
from hvaedsl_runtime.data.fitting import Fitting
from hvaedsl_runtime.data.given_images import fitting_of_run, given_images
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.prepare import prepare
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.evaluate.fixed_batches import fixed_batch_size
from hvaedsl_runtime.evaluate.pictures import levels_of_targets, shades
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

Command = Callable[..., tuple[object, str, str]]
FILES = """hvae 1
data {{ dataset = folder path = "{path}" channels = 3 resolution = 8 validation = 2 }}
model {{ width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r2, 8m4, 8x1 }}
train {{ steps = 2 batch_size = 4 learning_rate = 1e-3 eval_every = 2 save_every = 2 }}
sample {{ count = 2 }}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, module_program: Program) -> Path:
    """A run on arrays of 17 levels, whose reconstructions depend on the latents."""
    out = tmp_path_factory.mktemp("runs") / "run"
    sets = {"steps": 150, "learning_rate": 0.02, "ema_decay": 0.9, "eval_every": 150, "save_every": 150}
    overrides: dict[str, object] = {f"train.{key}": value for key, value in sets.items()}
    program = hvaedsl.loads(module_program.resolved_text(), sets={**overrides, "train.kl.warmup_steps": 1_000_000})
    train(program, RunSettings(out=out, device="cpu", threads=1))
    return out


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 color files of 8x8 pixels, in two folders."""
    folder = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        path = folder / ("cats", "dogs")[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture(scope="module")
def of_files(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A run on these files."""
    folder = tmp_path_factory.mktemp("of_files")
    (folder / "files.hvae").write_text(FILES.format(path=photos), encoding="utf-8")
    train(hvaedsl.load(folder / "files.hvae"), RunSettings(out=folder / "run", device="cpu", threads=1))
    return folder / "run"


def made(command: Command, *arguments: str | Path) -> str:
    code, said, err = command("reconstruct", *arguments, "--device", "cpu", "--force")
    assert code == 0, err
    return said


def arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(path) as archive:
        return dict(archive)


def refused(command: Command, code: int, *arguments: str | Path) -> str:
    found, _, err = command("reconstruct", *arguments, "--device", "cpu")
    assert found == code, err
    assert "Traceback" not in err
    return err


@torch.no_grad()
def central(run: Path, pixels: Pixels) -> Pixels:
    """The reconstructions of images, computed here: the likelihood's mean given the posteriors' means."""
    finished = FinishedRun.open(run, "cpu")
    model = finished.model("ema")
    found, size = [], fixed_batch_size(finished.program)
    for start in range(0, len(pixels), size):
        batch = torch.from_numpy(pixels[start : start + size])
        missing = size - len(batch)
        x, _ = finished.preparation(torch.cat((batch, batch[:1].expand(missing, -1, -1, -1))))
        latents = model.latents(x, noise=lambda _, shape: torch.zeros(shape))
        mean = model.likelihood.mean(model.decode(latents))[: len(batch)]
        levels = finished.program.spec.data.levels - 1
        found.append((mean + 1) / 2 * levels)
    return torch.cat(found).round().clamp(0, levels).to(torch.uint8).numpy()


def test_an_array_and_the_split_that_it_is_have_the_same_reconstructions(
    run: Path, tmp_path: Path, command: Command
) -> None:
    finished = FinishedRun.open(run, "cpu")
    assert finished.program.spec.data.path is not None
    test = Path(finished.program.spec.data.path) / "test.npy"
    made(command, run, test, "--out", tmp_path / "array.npz")
    made(command, run, "--split", "test", "--out", tmp_path / "split.npz")
    assert (tmp_path / "array.npz").read_bytes() == (tmp_path / "split.npz").read_bytes()

    found = arrays(tmp_path / "array.npz")
    assert found["names"].tolist() == [f"{index:06}" for index in range(11)]
    expected = central(run, np.load(test))
    assert np.abs(found["arr_0"].astype(int) - expected).max() <= 1  # halves are rounded differently
    assert (found["arr_0"] == expected).mean() > 0.99


def test_weights_and_draws_are_those_that_were_asked_for(run: Path, tmp_path: Path, command: Command) -> None:
    def images(*options: str) -> Pixels:
        made(command, run, "--split", "test", "--out", tmp_path / "x.npy", *options)
        found: Pixels = np.load(tmp_path / "x.npy")
        return found

    means, raw = images(), images("--weights", "raw")
    drawn, other, again = images("--draw"), images("--draw", "--seed", "1"), images("--draw", "--seed", "0")
    np.testing.assert_array_equal(drawn, again)
    for one, two in ((means, raw), (means, drawn), (drawn, other)):
        assert not np.array_equal(one, two)


def test_the_noise_of_an_image_depends_on_its_index(run: Path, tmp_path: Path, command: Command) -> None:
    images = np.random.default_rng(1).integers(0, 17, (20, 8, 8, 1), dtype=np.uint8)
    found = []
    for count in (20, 5):
        np.save(tmp_path / "in.npy", images[:count])
        made(command, run, tmp_path / "in.npy", "--draw", "--out", tmp_path / "out.npy")
        found.append(np.load(tmp_path / "out.npy"))
    np.testing.assert_array_equal(found[0][:5], found[1])


def test_files_are_read_in_the_order_given_and_a_folder_in_that_of_its_paths(
    of_files: Path, photos: Path, tmp_path: Path, command: Command
) -> None:
    made(command, of_files, photos, "--out", f"{tmp_path}/all/")
    made(command, of_files, photos, "--out", tmp_path / "all.npz")
    everything = arrays(tmp_path / "all.npz")
    names = everything["names"].tolist()
    assert names == sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
    by_name = dict(zip(names, everything["arr_0"], strict=True))
    written = {str(path.relative_to(tmp_path / "all")): path for path in (tmp_path / "all").rglob("*.png")}
    assert written.keys() == by_name.keys()
    for name, path in written.items():
        np.testing.assert_array_equal(np.asarray(Image.open(path)), by_name[name])

    chosen = ["dogs/3.png", "cats/2.png", "dogs/1.png"]
    made(command, of_files, *(photos / name for name in chosen), "--out", tmp_path / "some.npz")
    some = arrays(tmp_path / "some.npz")
    assert some["names"].tolist() == ["3.png", "2.png", "1.png"]
    pixels = np.stack([np.asarray(Image.open(photos / name)) for name in chosen])
    expected = central(of_files, pixels)
    assert np.abs(some["arr_0"].astype(int) - expected).max() <= 1


def test_files_are_fitted_as_those_of_the_run_and_counted(
    of_files: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for name, shape in (("wide.png", (8, 20, 3)), ("large.png", (16, 16, 3)), ("gray.png", (8, 8))):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").touch()
    said = made(command, of_files, tmp_path / "in", "--out", tmp_path / "x.npz")
    assert "files that are not taken (1): 1 .txt (not images)" in said
    assert "3 images: 1 cropped to the center, 1 resized, 1 converted from gray to color" in said

    # Where the run's images were prepared with other options, those hold.
    spec = FinishedRun.open(of_files, "cpu").program.spec.data
    assert fitting_of_run(spec) == Fitting()
    cropped = spec.model_copy(update={"fit": "crop"})
    assert fitting_of_run(cropped) == Fitting(resize=False)
    strict = Fitting(crop=False, resize=True, background=(1, 2, 3))
    prepared = spec.model_copy(update={"path": str(tmp_path / "prepared"), "levels": 256})
    (tmp_path / "square").mkdir()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "square" / "a.png")
    prepare(spec, tmp_path / "square", tmp_path / "prepared", overwrite=False, bar=image_bar, fitting=strict)
    assert fitting_of_run(prepared) == strict
    arrays = spec.model_copy(update={"dataset": "npy", "fit": "refuse"})
    assert fitting_of_run(arrays) == Fitting(crop=False, resize=False)


def test_files_that_do_not_fit_are_all_named_and_nothing_is_written(
    of_files: Path, run: Path, photos: Path, tmp_path: Path, command: Command
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(40):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index:02}.png")
    for index in (3, 35):
        (folder / f"{index:02}.png").write_bytes(b"nothing")
    err = refused(command, 4, of_files, folder, "--out", f"{tmp_path}/out/")
    assert "2 image files cannot be used" in err
    assert "03.png" in err
    assert "35.png" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]

    err = refused(command, 4, run, photos / "cats" / "0.png", "--out", tmp_path / "x.npz")
    assert "the image is in color, and 1 channel was asked for" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_files_for_a_run_on_arrays_hold_the_shades_of_its_levels(run: Path, tmp_path: Path, command: Command) -> None:
    levels = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "levels.npy", levels)
    for index, image in enumerate(levels):
        Image.fromarray(shades_of_levels(17)[image[..., 0]]).save(tmp_path / f"{index}.png")
    made(command, run, tmp_path / "levels.npy", "--out", tmp_path / "a.npy")
    files = [tmp_path / f"{index}.png" for index in range(5)]
    made(command, run, *files, "--out", tmp_path / "b.npy")
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()

    assert command("sample", run, "--count", "5", "--out", f"{tmp_path}/drawn/")[0] == 0
    made(command, run, tmp_path / "drawn", "--out", tmp_path / "c.npy")

    Image.fromarray(np.full((8, 8), 3, dtype=np.uint8)).save(tmp_path / "dark.png")
    err = refused(command, 4, run, tmp_path / "dark.png", "--out", tmp_path / "d.npy")
    assert "the shade 3 is that of none of the 17 levels, which are 0, 16, 32, ..., 255" in err
    assert "a .npy file of levels" in err


@pytest.mark.parametrize("levels", range(2, 257))
def test_shades_are_those_of_pictures(levels: int) -> None:
    images = torch.arange(levels, dtype=torch.uint8)
    np.testing.assert_array_equal(shades_of_levels(levels), shades(images.float() / (levels - 1)).numpy())


def test_means_are_rounded_to_levels(module_program: Program) -> None:
    targets = torch.tensor([-1.2, -1.0, -0.93, -0.95, 0.0, 1.0, 1.1])
    assert levels_of_targets(targets, module_program.spec).tolist() == [0, 0, 1, 0, 8, 16, 16]
    spec = module_program.spec.model_copy(
        update={"data": module_program.spec.data.model_copy(update={"binarize": "dynamic"})}
    )
    assert levels_of_targets(torch.tensor([0.0, 0.5, 1.0]), spec).tolist() == [0, 128, 255]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (5, 5), (16, 16), (17, 16), (200, 20)])
def test_a_picture_has_every_image_above_its_reconstruction(
    run: Path, tmp_path: Path, command: Command, count: int, columns: int
) -> None:
    images = np.zeros((count, 8, 8, 1), dtype=np.uint8)
    images[:, 0, 0] = 16
    np.save(tmp_path / "in.npy", images)
    made(command, run, tmp_path / "in.npy", "--out", tmp_path / "x.png")
    picture = np.asarray(Image.open(tmp_path / "x.png"))[..., 0]
    side = 8 * -(-512 // (8 * columns)) + 2
    assert picture.shape == (2 * -(-count // columns) * side + 2, columns * side + 2)
    marks = picture[3::side, 3::side] == 255
    assert marks[0::2].sum() == count
    assert marks[0::2].ravel()[:count].all()


def test_images_and_options_that_contradict_each_other(
    run: Path, photos: Path, tmp_path: Path, command: Command
) -> None:
    out = ("--out", tmp_path / "x.npz")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.ppm").touch()
    np.savez(tmp_path / "in.npz", arr_0=np.zeros((2, 8, 8, 1), dtype=np.uint8))
    one = photos / "cats" / "0.png"
    cases: tuple[tuple[int, str, tuple[str | Path, ...]], ...] = (
        (2, "IMAGES or --split, and neither is given", out),
        (2, "IMAGES or --split, and both are given", (one, "--split", "test", *out)),
        (2, "--seed requires --draw", (one, "--seed", "3", *out)),
        (2, "Missing option '--out'", (one,)),
        (2, "nothing.png, which does not exist", (tmp_path / "nothing.png", *out)),
        (2, "a folder or a .npy file must be the only one", (one, photos, *out)),
        (2, "2 times", (one, one, *out)),
        (2, "one of the IMAGES", (one, "--out", one)),
        (2, "must end in .png, .npz or .npy", (one, "--out", tmp_path / "x.gif")),
        (4, "found no image file; not taken: 1 .ppm", (tmp_path / "empty", *out)),
        (4, "an .npz file of the arrays arr_0", (tmp_path / "in.npz", *out)),
    )
    for code, words, arguments in cases:
        assert words in refused(command, code, run, *arguments), arguments
    assert not (tmp_path / "x.npz").exists()


def test_files_are_not_read_for_more_channels_than_they_have(module_program: Program, photos: Path) -> None:
    data = module_program.spec.data.model_copy(update={"channels": 5})
    for paths in ([photos], [photos / "cats" / "0.png"]):
        with pytest.raises(InvalidData, match="the images of the run have 5 channels") as caught:
            given_images(paths, data)
        assert caught.value.help == "name a .npy file"


def test_files_of_one_name_are_named_by_their_folders(module_program: Program, photos: Path, tmp_path: Path) -> None:
    data = module_program.spec.data
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        os.link(photos / "cats" / "0.png", tmp_path / name / "x.png")
    given = given_images([tmp_path / "b" / "x.png", tmp_path / "a" / "x.png"], data)
    assert given.names == ("b/x.png", "a/x.png")
    with pytest.raises(UsageError, match=r"x\.png 2 times"):
        given_images([tmp_path / "a" / "x.png", tmp_path / "a" / ".." / "a" / "x.png"], data)
