"""FFHQ (Karras et al. 2019): the array that openai/vdvae publishes at 256 pixels, or the release's PNG files."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.fitting import Change, Fit
from hvaedsl_runtime.data.npy import open_npy
from hvaedsl_runtime.data.problems import Unusable
from hvaedsl_runtime.data.published.image_files import REMEDY, image_names, part_of_files
from hvaedsl_runtime.data.published.source import Source, files_missing, find_files, origins_of_files, part_of_images

RELEASE = "images1024x1024"
ARRAY = "ffhq-256.npy"


def ffhq(spec: DataSpec, root: Path) -> Source:
    """Read ffhq-256.npy (256 pixels), numbered PNG files (both sizes), or the folders train/ and valid/ (1024 pixels).

    PNG files (00000.png, in one folder or in several) are taken in the order of their numbers. openai/vdvae divides
    them into train/ and valid/. Images of 1024 pixels are resized to 256 with an antialiasing bilinear filter, which
    openai/vdvae names for its array; whether the results are equal is not known.
    Raises DataNotFound or InvalidData for missing, damaged or wrong files.
    """
    if spec.height == 256 and (arrays := find_files(root, ARRAY)):
        images = open_npy(arrays[0], spec)
        return Source(
            layout="ffhq-256.npy of openai/vdvae",
            origins=origins_of_files(arrays[:1]),
            parts={"all": part_of_images(images, spec)},
        )

    folder = _folder(root)
    if spec.height == 1024 and (folder / "train").is_dir() and (folder / "valid").is_dir():
        train, test = _files(folder / "train", spec), _files(folder / "valid", spec)
        return Source(
            layout="PNG files in the folders train and valid of openai/vdvae",
            origins=(*train.origins, *test.origins),
            parts={"train": train.parts["all"], "test": test.parts["all"]},
        )
    return _files(folder, spec)


def resize_square(resolution: int) -> Fit:
    """Resize a larger square image. `Fit` raises Unusable for an image that is smaller or not square."""

    def fit(image: Image.Image) -> tuple[Image.Image, Change]:
        if image.width != image.height or image.width < resolution:
            found = f"the image has {image.width}x{image.height} pixels"
            raise Unusable(f"{found}; it must be a square of {resolution} pixels or more", REMEDY)
        if image.width == resolution:
            return image, Change(0)
        return image.resize((resolution, resolution), Image.Resampling.BILINEAR), Change.RESIZED

    return fit


def _folder(root: Path) -> Path:
    """Return the release's folder of images, if it exists (thumbnails lie beside it), or `root`."""
    named = (path for path in find_files(root, RELEASE, "ffhq1024") if path.is_dir())
    return next(named, root)


def _files(folder: Path, spec: DataSpec) -> Source:
    names, origin = image_names(folder, (".png",))
    if not names:
        files = f"{ARRAY}, or PNG files" if spec.height == 256 else "PNG files"
        way_out = f"pass the folder that contains {files} such as {RELEASE}/00000/00000.png"
        raise files_missing(spec, folder, "PNG file" if spec.height > 256 else f"{ARRAY} and no PNG file", way_out)

    # The order of the images is that of the numbers in their names.
    numbered: dict[int, str] = {}
    for name in names:
        number = re.search(r"(\d+)\.png$", name, re.IGNORECASE)
        if number is None:
            raise InvalidData(
                f"{folder / name}: the name has no number, by which the images are ordered",
                help="pass a folder that contains only the images, 00000.png to 69999.png",
            )
        if (index := int(number[1])) in numbered:
            raise InvalidData(
                f"{folder / numbered[index]} and {folder / name} have the same number",
                help=f"pass the folder of one set of images, such as {RELEASE}",
            )
        numbered[index] = name

    ordered = [numbered[index] for index in sorted(numbered)]
    return Source(
        layout=f"PNG files by number, {spec.height} pixels or resized to that bilinearly",
        origins=(origin,),
        parts={"all": part_of_files(folder, ordered, resize_square(spec.height), spec)},
    )
