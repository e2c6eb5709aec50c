"""MNIST, Fashion-MNIST and CIFAR-10, as torchvision reads them."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.published.source import Part, Source, not_there, origins_of_files, part_of_images
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.data.torchvision_sets import LAYOUTS, torchvision_images


def torchvision_files(spec: DataSpec, root: Path) -> Source:
    """The training and the test images; they fit into memory. `root` holds torchvision's folders, or is one of them.

    Raises RunError (4) for missing and damaged files.
    """
    layout = LAYOUTS[spec.dataset]
    absolute = root.absolute()
    place = next((place for place in (absolute, *absolute.parents[:2]) if layout.lies_in(place)), None)
    if place is None:
        way_out = f"name the folder that holds {layout.folder}/; `hvaedsl train SPEC --download` fetches the files"
        raise not_there(spec, root, f"{layout.folder}/ with {layout.files[0]} and the others", way_out)
    written = spec.model_copy(update={"path": str(place)})
    parts: dict[PartName, Part] = {
        "train": part_of_images(torchvision_images(written, train=True, download=False), spec),
        "test": part_of_images(torchvision_images(written, train=False, download=False), spec),
    }
    return Source(
        layout=f"files of torchvision's {layout.reader}",
        origins=origins_of_files(place / layout.folder / file for file in layout.files),
        parts=parts,
    )
