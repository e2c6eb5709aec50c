"""Prepared sets: found first, opened without loading, equal to the raw images bit for bit, damage told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import RunError
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl_runtime.data import Split, has_validation, open_split, preparation
from hvaedsl_runtime.data.images import ArrayImages
from hvaedsl_runtime.data.manifest import ArrayRecord, Manifest
from hvaedsl_runtime.data.prepare import data_to_prepare, prepare
from hvaedsl_runtime.data.prepared import PreparedSet, find_prepared
from hvaedsl_runtime.data.splits import PartName

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
MIXTURE = Likelihood(name="mixture_of_logistics", mixtures=10)


def nothing(images: int) -> None:
    pass


@contextmanager
def no_bar(description: str, images: int) -> Iterator[Callable[[int], None]]:
    yield nothing


@pytest.fixture(params=["flat", "folders", "own validation"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    splits = {"flat": (".",), "folders": ("train", "test"), "own validation": SPLITS}[request.param]
    for number, split in enumerate(splits):
        (folder / split).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 200, (30, 8, 8), dtype=np.uint8)
        for index, image in enumerate(pixels):
            Image.fromarray(image).save(folder / split / f"{index:02}.png")
    return folder


@pytest.mark.parametrize("validation", [4, 20])
@pytest.mark.parametrize("split_seed", [0, 3])
def test_prepared_images_are_the_raw_ones(
    photos: Path, tmp_path: Path, make_spec: Any, validation: int, split_seed: int
) -> None:
    prepare(data_to_prepare("folder", 8, 1), photos, tmp_path / "set", overwrite=False, bar=no_bar)
    fields = {"validation": validation, "split_seed": split_seed}
    raw = make_spec("folder", path=str(photos), **fields)
    prepared = make_spec("folder", path=str(tmp_path / "set"), **fields)
    assert has_validation(raw) is has_validation(prepared) is True
    for split in SPLITS:
        one, other = open_split(raw, split), open_split(prepared, split)
        assert (one.shape, one.levels, one.name, len(one)) == (other.shape, other.levels, other.name, len(other))
        np.testing.assert_array_equal(one.batch(np.arange(len(one))), other.batch(np.arange(len(other))))
        np.testing.assert_array_equal(one.counted_levels(), other.counted_levels())
    sets = open_split(raw, "train"), open_split(prepared, "train")
    assert preparation(raw, MIXTURE, sets[0]) == preparation(prepared, MIXTURE, sets[1])


def test_statistics_read_only_what_is_held_out(
    photos: Path, tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(data_to_prepare("folder", 8, 1), photos, tmp_path / "set", overwrite=False, bar=no_bar)
    train = open_split(make_spec("folder", path=str(tmp_path / "set"), validation=4), "train")
    read: list[int] = []
    original = ArrayImages.read

    def recorded(images: ArrayImages, indices: Any) -> Any:
        read.extend(indices)
        return original(images, indices)

    monkeypatch.setattr(ArrayImages, "read", recorded)
    train.counted_levels()
    assert len(read) == len(train.images) - len(train) <= 7
    assert not set(read) & set(train.members)


def test_the_place_is_found_without_a_path(
    photos: Path, make_spec: Any, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_prepared(make_spec("folder")) is None
    for root in (cache_folder, tmp_path / "root"):
        prepare(data_to_prepare("folder", 8, 1), photos, root / "folder", overwrite=False, bar=no_bar)
        found = find_prepared(make_spec("folder"))
        assert found is not None
        assert found.folder == root / "folder"
        monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "root"))
    assert find_prepared(make_spec("mnist")) is None


def test_another_data_set_is_not_taken(photos: Path, tmp_path: Path, make_spec: Any) -> None:
    prepare(data_to_prepare("folder", 8, 1), photos, tmp_path / "set", overwrite=False, bar=no_bar)
    with pytest.raises(RunError, match="contains prepared images of folder; the spec uses celeba") as caught:
        open_split(make_spec("celeba", path=str(tmp_path / "set"), channels=3, resolution=64), "train")
    assert caught.value.exit_code == 4
    with pytest.raises(RunError, match="the images are 8x8x1; the spec needs 16x16x3"):
        open_split(make_spec("folder", path=str(tmp_path / "set"), channels=3, resolution=16), "train")
    with pytest.raises(RunError, match="the highest value is 199; values must be 0 to 16"):
        open_split(make_spec("folder", path=str(tmp_path / "set"), levels=17), "train")
    assert open_split(make_spec("folder", path=str(tmp_path / "set"), levels=200), "train").counted_levels().size == 200


@pytest.mark.parametrize("photos", ["flat", "folders"], indirect=True)  # the images of another split are in its array
def test_images_of_another_manifest_are_told(photos: Path, tmp_path: Path, make_spec: Any) -> None:
    target = tmp_path / "set"
    prepare(data_to_prepare("folder", 8, 1), photos, target, overwrite=False, bar=no_bar)
    for path in target.glob("*.npy"):
        np.save(path, np.full_like(np.load(path), 7))
    train = open_split(make_spec("folder", path=str(target), validation=4), "train")
    with pytest.raises(RunError, match="the array does not match its manifest: the manifest counted other") as caught:
        train.counted_levels()
    assert caught.value.exit_code == 4
    assert "--force" in caught.value.help


def test_damage_is_told(photos: Path, tmp_path: Path, make_spec: Any) -> None:
    target = tmp_path / "set"
    prepare(data_to_prepare("folder", 8, 1), photos, target, overwrite=False, bar=no_bar)
    spec = make_spec("folder", path=str(target))
    prepared = PreparedSet.at(target)
    path = prepared.path(next(iter(prepared.manifest.arrays)))
    assert prepared.damaged(nothing) == []
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert len(prepared.damaged(nothing)) == 1
    path.write_bytes(content + b"more")
    with pytest.raises(RunError, match="the array does not match its manifest: after its array"):
        open_split(spec, "train")
    path.write_bytes(content[:-10])
    with pytest.raises(RunError, match="the array does not match its manifest: it is truncated"):
        open_split(spec, "train")
    path.unlink()
    with pytest.raises(RunError, match="the array does not match its manifest"):
        open_split(spec, "train")
    assert "No such file" in prepared.damaged(nothing)[0]
    manifest = json.loads((target / "manifest.json").read_text())
    for change, message in (
        ({"version": 2}, "version 2 of prepared images"),
        ({"arrays": 3}, "the manifest is damaged: arrays"),
    ):
        (target / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(RunError, match=message):
            open_split(spec, "train")
    for foreign in ("not json", "[]", '{"name": "an app"}'):
        (target / "manifest.json").write_text(foreign)
        with pytest.raises(RunError, match="were not found"):
            open_split(spec, "train")


MEASURE = """
import resource, sys
import numpy as np
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl_runtime.data import open_split, preparation
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.data.prepare import data_to_prepare

spec = data_to_prepare("imagenet32", None, None).model_copy(update={"path": sys.argv[1]})
limit = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024 + 2**27
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sets = {split: open_split(spec, split) for split in ("train", "validation", "test")}
preparation(spec, Likelihood(name="mixture_of_logistics", mixtures=10), sets["train"])
for images in sets.values():
    for start in range(0, len(images), 4000):
        assert images.batch(np.arange(start, min(start + 8, len(images)))).sum() == 0
try:
    sets["train"].images.pixels[:]
except MemoryError:
    print("nothing was loaded")
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the figures of a process are Linux's")
def test_a_run_loads_no_array(tmp_path: Path) -> None:
    """The arrays have 523 MB, on a disk that keeps no zeros, and the process may address 128 MiB more than it does."""
    counts: dict[PartName, int] = {"train": 165_000, "test": 5_000}
    arrays: dict[PartName, ArrayRecord] = {}
    for part, count in counts.items():
        array = np.lib.format.open_memmap(tmp_path / f"{part}.npy", "w+", np.uint8, (count, 32, 32, 3))
        levels = (array.size, *[0] * 255)
        size = (tmp_path / f"{part}.npy").stat().st_size
        arrays[part] = ArrayRecord(count=count, bytes=size, sha256="0", mean=0, std=0, level_counts=levels)
        del array
    manifest = Manifest(
        dataset="imagenet32",
        resolution=32,
        channels=3,
        levels=256,
        layout="zeros",
        origins=(),
        warnings=(),
        arrays=arrays,
        hvaedsl="0",
    )
    (tmp_path / "manifest.json").write_text(manifest.model_dump_json())
    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("nothing was loaded\n", "")
