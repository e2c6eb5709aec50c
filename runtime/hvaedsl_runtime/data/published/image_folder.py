"""The dataset `folder`, prepared: its image files are decoded once instead of in every batch."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.fitting import Fitting, fitting_from
from hvaedsl_runtime.data.folder import folder_layout
from hvaedsl_runtime.data.places import FROM
from hvaedsl_runtime.data.published.source import Origin, Source, part_of_images


def image_folder(spec: DataSpec, root: Path, fitting: Fitting | None = None) -> Source:
    """Read the images of `root` as the dataset `folder` does, converted as `fitting` or, by default, `data.fit` allows.

    Raises DataNotFound or InvalidData as `folder_layout` does.
    """
    fitting = fitting or fitting_from(spec.fit)
    layout = folder_layout(spec, {root: FROM})
    parts = layout.images(spec, fitting)
    return Source(
        layout=f"image files, {fitting}",
        origins=tuple(Origin(tree.root, len(tree.names), tree.size()) for tree in layout.parts.values()),
        parts={name: part_of_images(images, spec) for name, images in parts.items()},
        warnings=layout.notes(),
        fitting=fitting,
    )
