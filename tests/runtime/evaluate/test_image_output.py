"""Images written as arrays, folders and pictures: what other tools read, whole or not at all, in bounded memory."""

from __future__ import annotations

import os
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hvaedsl import Program
from hvaedsl.diagnostics.errors import OutputExists, UsageError, WriteError
from hvaedsl.ir.spec import Spec
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.evaluate.image_output import ImageOutput, Kind
from hvaedsl_runtime.evaluate.pictures import save_samples

Compiled = Callable[..., Program]
Limit = Callable[[int], AbstractContextManager[None]]
NAMES = ("x.npz", "x.npy", "x/", "x.png")


def spec_of(program: Program, **changes: object) -> Spec:
    return program.spec.model_copy(update={"data": program.spec.data.model_copy(update=changes)})


def random_images(*shape: int, levels: int = 256) -> Pixels:
    return np.random.default_rng(0).integers(0, levels, shape, dtype=np.uint8)


def as_tensor(images: Pixels) -> Tensor:
    """Levels as samples have them: int32 above 256 levels."""
    return torch.from_numpy(images if images.dtype == np.uint8 else images.astype(np.int32))


def write(path: Path, images: Pixels, spec: Spec, name: str = "x.npz", names: list[str] | None = None) -> Path:
    output = ImageOutput.named(f"{path}/{name}")
    output.check(spec, replace=True)
    with output.opened(spec, len(images), names) as put:
        for start in range(0, len(images), 16):
            put(as_tensor(images[start : start + 16]))
    return output.path


def pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        found = np.asarray(image)
    return found[..., None] if found.ndim == 2 else found


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("a.png", "picture"), ("a.NPZ", "npz"), ("a.npy", "npy"), ("a", "folder"), ("a/", "folder"),
        ("a.npz/", "folder"), ("v1.5/", "folder"), ("there.d", "folder"), (".", "folder"), ("..", "folder"),
    ],
)  # fmt: skip
def test_the_name_says_what_is_written(
    written: str, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.d").mkdir()
    assert ImageOutput.named(written) == ImageOutput(Path(written), kind)


def test_another_suffix_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.jpg; a file must end in \.png, \.npz or \.npy$") as caught:
        ImageOutput.named(f"{tmp_path}/x.jpg")
    with pytest.raises(UsageError, match="--out is -; images are written into files"):
        ImageOutput.named("-")
    assert caught.value.help.endswith("x.jpg/")
    (tmp_path / "y.npz").mkdir()
    for name in ("none/x.npz", "y.npz"):
        with pytest.raises(UsageError, match=r"a file that ends in \.npz, in an existing folder"):
            ImageOutput.named(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["pipe", "pipe.png", "pipe.npz", "/dev/stdout", "/dev/stderr"])
def test_images_are_not_written_into_a_stream(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.is_relative_to(tmp_path):
        os.mkfifo(path)
    with pytest.raises(UsageError, match=f"--out is {re.escape(str(path))}, a stream or a device") as caught:
        ImageOutput.named(str(path))
    assert caught.value.help == "name a file in .png, .npz or .npy, or a folder"


@pytest.mark.parametrize("shape", [(40, 8, 8, 1), (33, 4, 6, 3), (1, 6, 4, 1)])
def test_arrays_and_files_have_the_same_images(tmp_path: Path, compiled: Compiled, shape: tuple[int, ...]) -> None:
    images, spec = random_images(*shape), spec_of(compiled(), levels=256, channels=shape[-1])
    with np.load(write(tmp_path, images, spec)) as archive:
        assert archive.files == ["arr_0"]
        np.testing.assert_array_equal(archive["arr_0"], images)
    np.testing.assert_array_equal(np.load(write(tmp_path, images, spec, "x.npy"), mmap_mode="r"), images)

    files = sorted(write(tmp_path, images, spec, "x/").iterdir())
    assert [file.name for file in files] == [f"{index:06}.png" for index in range(len(images))]
    np.testing.assert_array_equal(np.stack([pixels(file) for file in files]), images)
    with Image.open(files[0]) as image:
        assert image.mode == ("L" if shape[-1] == 1 else "RGB")

    save_samples(tmp_path / "same.png", torch.from_numpy(images), spec)
    assert write(tmp_path, images, spec, "x.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_the_same_images_give_the_same_bytes(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, spec = random_images(20, 8, 8, 1, levels=17), compiled().spec
    first = write(tmp_path, images, spec).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert write(tmp_path, images, spec).read_bytes() == first
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


def test_few_levels_are_shades_in_a_folder_unless_the_datasets_files_hold_levels(
    tmp_path: Path, compiled: Compiled
) -> None:
    images = np.arange(17, dtype=np.uint8).repeat(64).reshape(17, 8, 8, 1)
    for dataset, expected in (("npy", [0, 16, 32, 255]), ("folder", [0, 1, 2, 16])):
        folder = write(tmp_path, images, spec_of(compiled(), dataset=dataset), f"{dataset}/")
        files = sorted(folder.iterdir())
        assert [int(pixels(files[index])[0, 0, 0]) for index in (0, 1, 2, 16)] == expected


def test_what_png_cannot_hold_is_refused_by_its_channels(tmp_path: Path, compiled: Compiled) -> None:
    for changes, reason in (
        ({"channels": 5}, "PNG files are written with 1 or 3 channels, and the images have 5"),
        ({"channels": 3, "levels": 4_096}, "with 8 bits per channel, and the images have 4,096 levels"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            ImageOutput.named(f"{tmp_path}/x/").check(spec_of(compiled(), **changes))
        assert ".npz or .npy" in caught.value.help
    images, spec = random_images(3, 8, 8, 5), spec_of(compiled(), channels=5, levels=256)
    np.testing.assert_array_equal(np.load(write(tmp_path, images, spec, "x.npy")), images)
    picture = pixels(write(tmp_path, images, spec, "x.png"))
    factor = 512 // 16
    assert picture.shape[-1] == 3
    np.testing.assert_array_equal(
        picture[2 : 2 + 8 * factor : factor, 2 : 2 + 8 * factor : factor, 0], images[0, ..., 0]
    )


@pytest.mark.parametrize("levels", [257, 4_096, 65_536])
def test_more_than_256_levels_are_uint16_and_png_files_of_16_bits(
    tmp_path: Path, compiled: Compiled, levels: int
) -> None:
    images = np.random.default_rng(0).integers(0, levels, (3, 8, 8, 1)).astype(np.uint16)
    images.flat[:2] = 0, levels - 1
    spec = spec_of(compiled(), levels=levels)
    for name in ("x.npy", "x.npz"):
        found = np.load(write(tmp_path, images, spec, name))
        stored = found["arr_0"] if name == "x.npz" else found
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, images)
    folder = write(tmp_path, images, spec, "x/")
    shades = np.stack([pixels(folder / f"{index:06}.png") for index in range(3)])
    assert shades.dtype == np.uint16
    np.testing.assert_array_equal(shades, np.rint(images * (65_535 / (levels - 1))))


def test_a_folder_must_be_new_or_empty(tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    images, spec = random_images(2, 8, 8, 1, levels=17), compiled().spec
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("deep/er/", "link/"):
        assert len(list(write(tmp_path, images, spec, name).iterdir())) == 2
    assert (tmp_path / "link").is_symlink()

    with pytest.raises(OutputExists, match=r"empty is not empty: it has 000000\.png, 000001\.png") as caught:
        write(tmp_path, images, spec, "empty/")
    assert caught.value.help == "name another folder with --out"
    (tmp_path / "file").touch()
    with pytest.raises(OutputExists, match="file is not a folder"):
        write(tmp_path, images, spec, "file/")

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="the working directory"):
        ImageOutput.named(".").check(spec)


def test_what_a_killed_command_left_is_replaced(tmp_path: Path, compiled: Compiled) -> None:
    images, spec = random_images(2, 8, 8, 1, levels=17), compiled().spec
    (tmp_path / ".x.partial").mkdir()
    (tmp_path / ".x.partial" / "000007.png").touch()
    (tmp_path / ".x.partial.npz").touch()
    assert len(list(write(tmp_path, images, spec, "x/").iterdir())) == 2
    write(tmp_path, images, spec)
    assert {path.name for path in tmp_path.iterdir() if path.name != "images"} == {"x", "x.npz", "small.hvae"}


@pytest.mark.parametrize("name", NAMES)
def test_an_output_that_is_not_completed_leaves_nothing(tmp_path: Path, compiled: Compiled, name: str) -> None:
    spec = compiled().spec
    before = set(tmp_path.iterdir())

    def interrupted() -> None:
        with ImageOutput.named(f"{tmp_path}/{name}").opened(spec, 9) as put:
            put(as_tensor(random_images(4, 8, 8, 1, levels=17)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_one_message(tmp_path: Path, compiled: Compiled, file_size_limit: Limit, name: str) -> None:
    images, spec = random_images(20, 64, 64, 1), spec_of(compiled(), levels=256)
    before = set(tmp_path.iterdir())
    with file_size_limit(3_000), pytest.raises(WriteError) as caught:
        write(tmp_path, images, spec, name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be written: File too large"
    kind = "folder" if name == "x/" else "file"
    assert caught.value.help == f"raise the limit on the size of a file, or name another {kind} with --out"
    assert set(tmp_path.iterdir()) == before


def test_too_few_images_are_a_bug(tmp_path: Path, compiled: Compiled) -> None:
    for name in ("x.npz", "x.npy"):
        output = ImageOutput.named(f"{tmp_path}/{name}")
        with (
            pytest.raises(ValueError, match="1 images were written, of 2"),
            output.opened(compiled().spec, 2) as put,
        ):
            put(as_tensor(random_images(1, 8, 8, 1)))
        assert not output.path.exists()


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x/"])
def test_images_are_written_as_they_come(tmp_path: Path, compiled: Compiled, name: str) -> None:
    batch, spec = as_tensor(random_images(16, 32, 32, 3)), spec_of(compiled(), levels=256, channels=3)

    def peak(batches: int) -> int:
        output = ImageOutput.named(f"{tmp_path}/{batches}{name}")
        tracemalloc.start()
        with output.opened(spec, 16 * batches) as put:
            for _ in range(batches):
                put(batch)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # imports, once
    assert peak(64) < peak(2) + batch.nbytes


@pytest.mark.skipif(os.name != "posix", reason="names of POSIX")
def test_names_are_those_of_the_sources(tmp_path: Path, compiled: Compiled) -> None:
    images, spec = random_images(3, 8, 8, 1, levels=17), compiled().spec
    odd = os.fsdecode(b"caf\xe9.jpg")
    names = ["cat/a.jpg", "cat/b.c.png", odd]
    folder = write(tmp_path, images, spec, "x/", names)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    assert found == {"cat/a.png", "cat/b.c.png", odd.replace(".jpg", ".png")}
    with np.load(write(tmp_path, images, spec, names=names)) as archive:
        assert archive.files == ["arr_0", "names"]
        assert archive["names"].tolist() == names

    folder = write(tmp_path, images, spec, "y/", ["a.jpg", "a.png", "b.png"])
    assert {path.name for path in folder.iterdir()} == {"a.jpg.png", "a.png.png", "b.png.png"}

    # A file would have the name of a folder.
    folder = write(tmp_path, images, spec, "z/", ["a.jpg", "a.png/b.png", "c.png"])
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.png") if path.is_file()} == {
        "a.jpg.png",
        "a.png/b.png.png",
        "c.png.png",
    }


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_an_array_is_replaced_only_if_asked_for(tmp_path: Path, compiled: Compiled, name: str) -> None:
    spec, output = compiled().spec, ImageOutput.named(f"{tmp_path}/{name}")
    output.path.write_bytes(b"mine")
    with pytest.raises(OutputExists, match=f"{name} already exists") as caught:
        output.check(spec)
    assert "--force" in caught.value.help
    output.check(spec, replace=True)
    assert output.path.read_bytes() == b"mine"


def test_the_images_of_the_run_are_never_replaced(tmp_path: Path, compiled: Compiled) -> None:
    data = tmp_path / "data"
    (data / "cat").mkdir(parents=True)
    spec = spec_of(compiled(), dataset="npy", path=str(data))
    for name in ("test.npy", "cat/1.png"):
        (data / name).write_bytes(b"mine")
        for replace in (False, True):
            with pytest.raises(UsageError, match="a file among the images of the run"):
                ImageOutput.named(f"{data}/{name}").check(spec, replace=replace)
    ImageOutput.named(f"{data}/new.npy").check(spec)
    whole = spec_of(compiled(), dataset="npy", path=str(data / "test.npy"))
    with pytest.raises(UsageError, match="a file among the images of the run"):
        ImageOutput.named(f"{data}/test.npy").check(whole, replace=True)
    # A run in the folder of its images has pictures of its own.
    (data / "run" / "samples").mkdir(parents=True)
    (data / "run" / "spec.hvae").touch()
    (data / "run" / "samples" / "a.png").touch()
    ImageOutput.named(f"{data}/run/samples/a.png").check(spec)
