"""A resumed run notices that its images have changed, without reading all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import Fingerprint, ImageSet, differences, fingerprint, open_split
from hvaedsl_runtime.data.fingerprint import SAMPLED
from hvaedsl_runtime.data.images import Indices, Pixels
from hvaedsl_runtime.data.prepare import prepare

MakeSet = Callable[..., ImageSet]
MakeImages = Callable[..., Pixels]


def changes(one: ImageSet, two: ImageSet) -> list[str]:
    return differences({"train": fingerprint(one)}, {"train": fingerprint(two)})


def test_a_fingerprint_reads_a_few_images(make_set: MakeSet, make_images: MakeImages) -> None:
    whole = make_set(make_images(1000))
    read: list[int] = []

    class Counted:
        def __len__(self) -> int:
            return 1000

        def read(self, indices: Indices) -> Pixels:
            read.extend(indices.tolist())
            return whole.images.read(indices)

    counted = replace(whole, images=Counted())
    assert fingerprint(counted) == fingerprint(whole)
    assert (len(read), read[0], read[-1]) == (SAMPLED, 0, 999)
    assert fingerprint(make_set(make_images(1))) == fingerprint(make_set(make_images(1)))


def test_changes_are_named(make_set: MakeSet, make_images: MakeImages) -> None:
    pixels = make_images(200)
    assert changes(make_set(pixels), make_set(pixels.copy())) == []
    assert changes(make_set(pixels), make_set(pixels[1:])) == ["train: 200 images then, 199 now"]
    for changed in (pixels[::-1].copy(), make_images(200, seed=1)):
        (line,) = changes(make_set(pixels), make_set(changed))
        assert line.startswith("train: of 64 images that were compared, some have other pixels")


def test_splits_that_only_one_has_are_named(make_set: MakeSet, make_images: MakeImages) -> None:
    found = fingerprint(make_set(make_images(3)))
    lines = differences({"train": found, "validation": found}, {"train": found, "test": found})
    assert lines == ["validation: images only then", "test: images only now"]
    assert differences({}, {"train": found}) == []  # a run of an earlier version


def write_files(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        Image.new("L", (8, 8), number).save(folder / f"{number:03}.png")


@contextmanager
def no_bar(*_: object) -> Iterator[Callable[[int], None]]:
    yield lambda _: None


def test_files_are_compared_by_name_and_arrays_by_checksum(make_spec: Any, tmp_path: Path) -> None:
    def found(folder: str) -> dict[str, Fingerprint]:
        spec: DataSpec = make_spec("folder", path=str(tmp_path / folder))
        return {"train": fingerprint(open_split(spec, "train"))}

    write_files(tmp_path / "photos", 200)
    before = found("photos")
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert differences(before, found("moved")) == []

    # The same images, and later other ones, as arrays.
    prepare(make_spec("folder"), tmp_path / "moved", tmp_path / "ready", overwrite=False, bar=no_bar)
    ready = found("ready")
    assert differences(before, ready) == []
    other = {"train": {**ready["train"], "array sha256": "0"}}
    assert differences(ready, other) == ["train: the checksum in the manifest of the prepared images differs"]

    # An image that is not among those that were read.
    (tmp_path / "moved" / "001.png").rename(tmp_path / "moved" / "001b.png")
    assert differences(before, found("moved")) == ["train: other files"]
