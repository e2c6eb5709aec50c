"""One's own images as files in a folder, each decoded when a batch asks for it."""

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
# What Pillow raises for files that are cut short or altered; struct.error and TypeError come from its EXIF reader.
UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class FileImages:
    """Image files in a fixed order, brought to one size and to grey (1 channel) or RGB (3)."""

    files: tuple[Path, ...]
    resolution: int
    channels: int
    levels: int

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Indices) -> Pixels:
        """The images at these indices, uint8 [B, H, W, C]. Raises RunError (4), naming the file, for a bad one."""
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
                        f"{file}: found an image of more than 8 bits per channel, wanted 8",
                        help="convert the file to 8 bits per channel",
                    )
                upright = ImageOps.exif_transpose(image).convert("RGB" if self.channels == 3 else "L")
                fitted = _fitted(upright, self.resolution)
        except UNREADABLE as error:
            raise InvalidData(f"{file}: the image cannot be read: {error}", help="mend or remove the file") from error
        pixels = np.asarray(fitted, dtype=np.uint8).reshape(self.resolution, self.resolution, self.channels)
        if (highest := int(pixels.max())) >= self.levels:
            raise too_many_levels(str(file), highest, self.levels)
        return pixels


def _fitted(image: Image.Image, resolution: int) -> Image.Image:
    """The centre square, resized; cropped first, since a filter over a box would see the pixels around it."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    # Bilinear weights are never negative: no value leaves the range of its neighbours.
    return square.resize((resolution, resolution), Image.Resampling.BILINEAR)


def folder(spec: DataSpec, split: Split) -> ImageSet:
    """Folders train, test and perhaps validation (searched in depth), or one flat folder of image files.

    Files are png, jpg, jpeg, webp and bmp, in the order of their paths. What is not resolution x resolution is cropped
    to the square at its centre and resized with an antialiasing bilinear filter; an alpha channel is dropped. Without
    a folder `validation`, `data.validation` images of `train` are held out. Of a flat folder, a tenth of the images is
    the test set and `data.validation` more are the validation set. Splits are drawn by `split_seed`.
    Raises RunError (4) for missing images.
    """
    parts = folder_parts(spec)
    part, indices = members(spec, {name: len(images) for name, images in parts.items()}, split)
    return image_set(spec, split, parts[part], indices)


def folder_parts(spec: DataSpec) -> Mapping[PartName, FileImages]:
    """The images of each folder, or `all` those of a flat one. Raises RunError (4) for missing images."""
    for place in places(spec):
        if (place / "train").is_dir():
            return _from_folders(place, spec)
        if place.is_dir() and (files := _image_files(place, place.iterdir())):
            return {"all": _images(files, spec)}
    kinds = ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)
    raise not_found(spec, f"folders train and test, or one folder of image files ({kinds})", "put the files there")


def has_validation_folder(spec: DataSpec) -> bool:
    """Whether validation images lie in a folder of their own."""
    for place in places(spec):
        if (place / "train").is_dir():
            return (place / "validation").is_dir()
        if place.is_dir() and _image_files(place, place.iterdir()):
            return False
    return False


def _from_folders(root: Path, spec: DataSpec) -> Mapping[PartName, FileImages]:
    own: tuple[PartName, ...] = ("validation",) if (root / "validation").is_dir() else ()
    names: tuple[PartName, ...] = ("train", "test", *own)
    parts = {name: _image_files(root / name, (root / name).rglob("*")) for name in names}
    for part, files in parts.items():
        if not files:
            raise DataNotFound(
                f"{root / part}: found no image file, wanted some in train and in test",
                help="a single folder of image files, named by data.path, is split for you",
            )
    return {part: _images(files, spec) for part, files in parts.items()}


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _image_files(root: Path, paths: Iterable[Path]) -> tuple[Path, ...]:
    """The image files among `paths`, in an order that no platform and no file system decides."""
    found = {path.relative_to(root).as_posix(): path for path in paths if _is_image_file(path)}
    return tuple(found[name] for name in sorted(found))


def _images(files: tuple[Path, ...], spec: DataSpec) -> FileImages:
    return FileImages(files, spec.resolution, spec.channels, spec.levels)
