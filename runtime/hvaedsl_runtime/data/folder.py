"""The dataset `folder`: image files in a folder, each decoded when a batch reads it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ImageSet, Indices, Pixels, Split, image_set, too_many_levels
from hvaedsl_runtime.data.places import not_found, places
from hvaedsl_runtime.data.splits import PartName, members

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
DECODING_THREADS = 8
# Pillow raises these for truncated or altered files; struct.error and TypeError come from its EXIF reader.
UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class FileImages:
    """Image files in a fixed order, converted to one size and to gray (1 channel) or RGB (3)."""

    files: tuple[Path, ...]
    resolution: int
    channels: int
    levels: int

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Indices) -> Pixels:
        """Decode the images at `indices`, uint8 [B, H, W, C].

        Raises InvalidData, with the name of the file, for an image that cannot be read or does not fit the spec.
        """
        batch = np.empty((len(indices), self.resolution, self.resolution, self.channels), dtype=np.uint8)
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            for position, pixels in enumerate(pool.map(self._decode, (self.files[index] for index in indices))):
                batch[position] = pixels
        return batch

    def _decode(self, file: Path) -> Pixels:
        try:
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise InvalidData(
                        f"{file}: the image has more than 8 bits per channel; it must have 8",
                        help="convert the file to 8 bits per channel",
                    )
                upright = ImageOps.exif_transpose(image).convert("RGB" if self.channels == 3 else "L")
                fitted = _fitted(upright, self.resolution)
        except UNREADABLE as error:
            raise InvalidData(
                f"{file}: the image cannot be read: {error}", help="replace or remove the file"
            ) from error

        pixels = np.asarray(fitted, dtype=np.uint8).reshape(self.resolution, self.resolution, self.channels)
        if (highest := int(pixels.max())) >= self.levels:
            raise too_many_levels(str(file), highest, self.levels)
        return pixels


def _fitted(image: Image.Image, resolution: int) -> Image.Image:
    """Crop the center square, then resize it: in this order, the filter sees no pixel outside the square."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    # Bilinear weights are never negative: no value leaves the range of its neighbours.
    return square.resize((resolution, resolution), Image.Resampling.BILINEAR)


def folder(spec: DataSpec, split: Split) -> ImageSet:
    """Open a split of the folders train, test and, optionally, validation, or of one flat folder of image files.

    Files are png, jpg, jpeg, webp and bmp, in the order of their paths; train, test and validation are searched
    recursively. An image that is not resolution x resolution is cropped to its center square and resized with an
    antialiasing bilinear filter; an alpha channel is dropped. Without a folder `validation`, `data.validation` images
    of `train` are held out. A flat folder is divided: a tenth of the images are the test set, `data.validation` others
    the validation set. Splits are drawn with `split_seed`.
    Raises DataNotFound for missing images.
    """
    parts = folder_parts(spec)
    part, indices = members(spec, {name: len(images) for name, images in parts.items()}, split)
    return image_set(spec, split, parts[part], indices)


def folder_parts(spec: DataSpec) -> Mapping[PartName, FileImages]:
    """Return the images of each folder, or those of a flat folder as `all`. Raises DataNotFound for missing images."""
    for place in places(spec):
        if (place / "train").is_dir():
            return _from_folders(place, spec)
        if place.is_dir() and (files := _image_files(place, place.iterdir())):
            return {"all": _images(files, spec)}
    kinds = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
    raise not_found(
        spec,
        f"folders train and test, or one folder of image files ({kinds})",
        "put the files there",
    )


def has_validation_folder(spec: DataSpec) -> bool:
    """Whether there is a folder of validation images."""
    for place in places(spec):
        if (place / "train").is_dir():
            return (place / "validation").is_dir()
        if place.is_dir() and _image_files(place, place.iterdir()):
            return False
    return False


def _from_folders(root: Path, spec: DataSpec) -> Mapping[PartName, FileImages]:
    validation: tuple[PartName, ...] = ("validation",) if (root / "validation").is_dir() else ()
    names: tuple[PartName, ...] = ("train", "test", *validation)
    parts = {name: _image_files(root / name, (root / name).rglob("*")) for name in names}
    for part, files in parts.items():
        if not files:
            raise DataNotFound(
                f"{root / part}: found no image file; train and test must each have at least one",
                help="add images, or set data.path to one folder of image files, which is split automatically",
            )
    return {part: _images(files, spec) for part, files in parts.items()}


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _image_files(root: Path, paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the image files among `paths`, sorted by their path below `root`: the same order on every platform."""
    found = {path.relative_to(root).as_posix(): path for path in paths if _is_image_file(path)}
    return tuple(found[name] for name in sorted(found))


def _images(files: tuple[Path, ...], spec: DataSpec) -> FileImages:
    return FileImages(files, spec.resolution, spec.channels, spec.levels)
