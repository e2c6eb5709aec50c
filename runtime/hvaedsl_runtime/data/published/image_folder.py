"""The dataset `folder`, prepared: its image files are decoded once instead of in every batch."""

from __future__ import annotations

from pathlib import Path

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.folder import FileImages, folder_parts
from hvaedsl_runtime.data.published.source import Origin, Source, part_of_images


def image_folder(spec: DataSpec, root: Path) -> Source:
    """Read the images of `root` as the dataset `folder` does. Raises DataNotFound for missing images."""
    parts = folder_parts(spec.model_copy(update={"path": str(root)}))
    return Source(
        layout="image files, cropped to the center square and resized bilinearly if they have another size",
        origins=tuple(_origin(root if name == "all" else root / name, files) for name, files in parts.items()),
        parts={name: part_of_images(files, spec) for name, files in parts.items()},
    )


def _origin(folder: Path, images: FileImages) -> Origin:
    return Origin(folder, len(images), sum(file.stat().st_size for file in images.files))
