"""MNIST, Fashion-MNIST and CIFAR-10, as torchvision reads them."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.published.source import Part, Source, files_missing, origins_of_files, part_of_images
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.data.torchvision_sets import LAYOUTS, torchvision_images


def torchvision_files(spec: DataSpec, root: Path) -> Source:
    """Read the training and test images into memory; `root` contains torchvision's folders, or is one of them.

    Raises DataNotFound for missing files, InvalidData for damaged ones.
    """
    layout = LAYOUTS[spec.dataset]
    absolute = root.absolute()
    place = next((place for place in (absolute, *absolute.parents[:2]) if layout.is_in(place)), None)
    if place is None:
        way_out = f"pass the folder that contains {layout.folder}/; `hvaedsl train SPEC --download` downloads it"
        raise files_missing(spec, root, f"{layout.folder}/ with {layout.files[0]} and the others", way_out)

    # Read from the folder found, which may be a parent of `root`.
    located = spec.model_copy(update={"path": str(place)})
    parts: dict[PartName, Part] = {
        "train": part_of_images(torchvision_images(located, train=True, download=False), spec),
        "test": part_of_images(torchvision_images(located, train=False, download=False), spec),
    }
    return Source(
        layout=f"files of torchvision's {layout.reader}",
        origins=origins_of_files(place / layout.folder / file for file in layout.files),
        parts=parts,
    )
