"""CelebA (Liu et al. 2015): the aligned and cropped JPEG files, with the published partition."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.published.image_files import Fit, image_names, of_size, part_of_files
from hvaedsl_runtime.data.published.source import Source, found, not_there, origins_of_files
from hvaedsl_runtime.data.splits import PartName

PARTS: Mapping[str, PartName] = {"0": "train", "1": "validation", "2": "test"}
WIDTH, HEIGHT = 178, 218
# Left, upper, right, lower: the 148 pixels square of NVAE (Vahdat and Kautz 2020, CelebA 64).
CROP = (15, 40, 163, 188)


def celeba(spec: DataSpec, root: Path) -> Source:
    """img_align_celeba/*.jpg and list_eval_partition.txt, as torchvision lays them out, or .csv, as Kaggle does.

    Every image is 178 x 218 pixels, cropped to the square of 148 that NVAE takes and resized with an antialiasing
    bilinear filter: the paper says "cropped and resized" and no more. torchvision's own class is not used, since it
    asks for five further files of labels, with checksums that Kaggle's do not have.
    Raises RunError (4) for missing, damaged and wrong files.
    """
    lists = found(root, "list_eval_partition.txt", "list_eval_partition.csv")
    if not lists:
        raise not_there(spec, root, "list_eval_partition.txt or .csv", _way_out(root))
    folders = [path for path in found(root, "img_align_celeba") if path.is_dir()]
    for folder in folders:
        names, origin = image_names(folder, (".jpg",))
        if names:
            break
    else:
        raise not_there(spec, root, "img_align_celeba/ with JPEG files", _way_out(root))
    listed = _partition(lists[0])
    by_part = _by_part(listed, names, folder, lists[0])
    fit = cropped(spec.resolution)
    warnings = []
    if missing := len(listed) - sum(map(len, by_part.values())):
        warnings.append(f"{missing:,} of {len(listed):,} images in {lists[0].name} are not in {folder.name}/")
    if unlisted := len(names) - sum(map(len, by_part.values())):
        warnings.append(f"left out {unlisted:,} images that {lists[0].name} does not list")
    return Source(
        layout="aligned JPEG files, x 15 to 163, y 40 to 188 cropped, resized bilinearly",
        origins=(*origins_of_files(lists[:1]), origin),
        parts={part: part_of_files(folder, files, fit, spec) for part, files in by_part.items()},
        warnings=tuple(warnings),
    )


def cropped(resolution: int) -> Fit:
    """The square that NVAE crops of an aligned image, resized. Raises ValueError for an image of another size."""
    whole = of_size(WIDTH, HEIGHT)

    def fit(image: Image.Image) -> Image.Image:
        # Cropped first: a filter over a box would see the pixels around it.
        return whole(image).crop(CROP).resize((resolution, resolution), Image.Resampling.BILINEAR)

    return fit


def _partition(path: Path) -> dict[str, PartName]:
    """The part of each file, by name, in the order of the list."""
    listed: dict[str, PartName] = {}
    delimiter = "," if path.suffix == ".csv" else " "
    with path.open(encoding="utf-8", newline="") as file:
        try:
            for row in csv.reader(file, delimiter=delimiter, skipinitialspace=True):
                match [cell for cell in row if cell]:
                    case [] | ["image_id", "partition"]:
                        continue
                    case [name, number] if number in PARTS:
                        listed[name] = PARTS[number]
                    case other:
                        raise ValueError(f"found `{' '.join(other)}`")
        except (ValueError, csv.Error) as error:
            raise InvalidData(
                f"{path}: wanted a file name and 0, 1 or 2 on every line: {error}", help="get it again"
            ) from error
    return listed


def _by_part(
    listed: Mapping[str, PartName], names: list[str], folder: Path, partition: Path
) -> dict[PartName, list[str]]:
    """The files of each part that are there, in the order of the list; parts without images are left out."""
    paths = {name.rpartition("/")[2]: name for name in names}  # Kaggle has a folder of the same name in the folder
    parts: dict[PartName, list[str]] = {"train": [], "validation": [], "test": []}
    for name, part in listed.items():
        if name in paths:
            parts[part].append(paths[name])
    if not parts["train"] or not parts["test"]:
        raise DataNotFound(
            f"{folder}: found {len(parts['train'])} training and {len(parts['test'])} test images "
            f"of those in {partition}",
            help="both are wanted; get the images that the list names",
        )
    return {part: files for part, files in parts.items() if files}


def _way_out(root: Path) -> str:
    if archives := found(root, "img_align_celeba.zip"):
        return f"unpack {archives[0]} first; list_eval_partition.txt belongs beside it"
    return "name the folder that holds img_align_celeba/ and list_eval_partition.txt (or Kaggle's .csv)"
