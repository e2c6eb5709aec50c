"""CelebA (Liu et al. 2015): the aligned and cropped JPEG files, with the published partition."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.fitting import Change, Fit
from hvaedsl_runtime.data.published.image_files import image_names, part_of_files, require_size
from hvaedsl_runtime.data.published.source import Source, files_missing, find_files, origins_of_files
from hvaedsl_runtime.data.splits import PartName

PARTS: Mapping[str, PartName] = {"0": "train", "1": "validation", "2": "test"}
WIDTH, HEIGHT = 178, 218
# Left, upper, right, lower: the square of 148 pixels used by NVAE (Vahdat and Kautz 2020, CelebA 64).
CROP = (15, 40, 163, 188)


def celeba(spec: DataSpec, root: Path) -> Source:
    """Read img_align_celeba/*.jpg with list_eval_partition.txt (torchvision's layout) or .csv (Kaggle's).

    Every image is 178 x 218 pixels. It is cropped to NVAE's square of 148 pixels and resized with an antialiasing
    bilinear filter: the paper says no more than "cropped and resized". torchvision's class is not used, because it
    requires five other files of labels, with checksums that Kaggle's files do not have.
    Raises DataNotFound or InvalidData for missing, damaged or wrong files.
    """
    lists = find_files(root, "list_eval_partition.txt", "list_eval_partition.csv")
    if not lists:
        raise files_missing(spec, root, "list_eval_partition.txt or .csv", _way_out(root))

    folders = [path for path in find_files(root, "img_align_celeba") if path.is_dir()]
    for folder in folders:
        names, origin = image_names(folder, (".jpg",))
        if names:
            break
    else:
        raise files_missing(spec, root, "img_align_celeba/ with JPEG files", _way_out(root))

    # The list decides the split; images on one side only become warnings.
    listed = _partition(lists[0])
    by_part = _by_part(listed, names, folder, lists[0])
    fit = crop_and_resize(spec.height)
    warnings = []
    if missing := len(listed) - sum(map(len, by_part.values())):
        warnings.append(f"{missing:,} of {len(listed):,} images in {lists[0].name} are not in {folder.name}/")
    if unlisted := len(names) - sum(map(len, by_part.values())):
        warnings.append(f"skipped {counted(unlisted, 'image')} that {lists[0].name} does not list")

    return Source(
        layout="aligned JPEG files, x 15 to 163, y 40 to 188 cropped, resized bilinearly",
        origins=(*origins_of_files(lists[:1]), origin),
        parts={part: part_of_files(folder, files, fit, spec) for part, files in by_part.items()},
        warnings=tuple(warnings),
    )


def crop_and_resize(resolution: int) -> Fit:
    """Crop an aligned image to NVAE's square and resize it. `Fit` raises Unusable for an image of another size."""
    whole = require_size(WIDTH, HEIGHT)

    def fit(image: Image.Image) -> tuple[Image.Image, Change]:
        # Cropped first, so that the filter sees no pixel outside the square. The layout says so for all images.
        square = whole(image)[0].crop(CROP)
        return square.resize((resolution, resolution), Image.Resampling.BILINEAR), Change(0)

    return fit


def _partition(path: Path) -> dict[str, PartName]:
    """Read the part of each file, by name, in the order of the list."""
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
                f"{path}: every line must be a file name and 0, 1 or 2: {error}", help="download the file again"
            ) from error
    return listed


def _by_part(
    listed: Mapping[str, PartName], names: list[str], folder: Path, partition: Path
) -> dict[PartName, list[str]]:
    """Return the existing files of each part, in the order of the list; a part without images is omitted."""
    paths = {name.rpartition("/")[2]: name for name in names}  # Kaggle nests a folder of the same name
    parts: dict[PartName, list[str]] = {"train": [], "validation": [], "test": []}
    for name, part in listed.items():
        if name in paths:
            parts[part].append(paths[name])
    if not parts["train"] or not parts["test"]:
        raise DataNotFound(
            f"{folder}: found {len(parts['train'])} training and {len(parts['test'])} test images "
            f"of those in {partition}",
            help="both are needed: download the images that the list names",
        )
    return {part: files for part, files in parts.items() if files}


def _way_out(root: Path) -> str:
    if archives := find_files(root, "img_align_celeba.zip"):
        return f"unpack {archives[0]} first, and put list_eval_partition.txt beside it"
    return "pass the folder that contains img_align_celeba/ and list_eval_partition.txt (or Kaggle's .csv)"
