"""Opening and checking prepared images: arrays that are mapped into memory, never loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ArrayImages, ImageSet, Split, image_set, too_many_levels
from hvaedsl_runtime.data.manifest import NAME, ArrayRecord, Manifest, read_manifest
from hvaedsl_runtime.data.places import places
from hvaedsl_runtime.data.splits import TESTED_ON_VALIDATION, PartName, members

BYTES_AT_A_TIME = 2**20


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A folder that `hvaedsl data prepare` wrote."""

    folder: Path
    manifest: Manifest

    @classmethod
    def at(cls, folder: Path) -> PreparedSet:
        """The set in a folder. Raises RunError (4) where there is none."""
        manifest = read_manifest(folder)
        if manifest is None:
            raise DataNotFound(
                f"{folder}: found no prepared images, wanted {NAME}",
                help="name a folder that hvaedsl data prepare wrote",
            )
        return cls(folder, manifest)

    def path(self, part: PartName) -> Path:
        """The file of a part."""
        return self.folder / f"{part}.npy"

    @property
    def has_validation(self) -> bool:
        """Whether validation images are known without holding any out."""
        parts = self.manifest.arrays
        return "validation" in parts or (self.manifest.dataset in TESTED_ON_VALIDATION and "test" in parts)

    def split(self, spec: DataSpec, split: Split) -> ImageSet:
        """One split, divided as the published files are; of the values, nothing is read.

        Raises RunError (4) for missing and damaged files, and for images that are not as the spec says.
        """
        manifest = self.manifest
        if (manifest.resolution, manifest.channels) != (spec.resolution, spec.channels):
            raise InvalidData(
                f"{self.folder}: found images of {_shape(manifest.resolution, manifest.channels)}, "
                f"wanted {_shape(spec.resolution, spec.channels)}",
                help="correct data.resolution and data.channels, or prepare the images again",
            )
        part, indices = members(spec, {name: record.count for name, record in manifest.arrays.items()}, split)
        record = manifest.arrays[part]
        if (highest := record.highest_level()) >= spec.levels:
            raise too_many_levels(str(self.path(part)), highest, spec.levels)
        return image_set(spec, split, self._open(part), indices, record.level_counts[: spec.levels])

    def damaged(self, read: Callable[[int], None]) -> list[str]:
        """What does not agree with the manifest, one line each; `read` is told of every array's images as they pass."""
        lines = []
        for part, record in self.manifest.arrays.items():
            path = self.path(part)
            try:
                found = _sha256(path, record, read)
            except OSError as error:
                lines.append(f"{path}: {error.strerror}")
                continue
            if found != record.sha256:
                lines.append(f"{path}: its checksum is {found}, wanted {record.sha256}")
        return lines

    def _open(self, part: PartName) -> ArrayImages:
        path, record = self.path(part), self.manifest.arrays[part]
        wanted = (record.count, self.manifest.resolution, self.manifest.resolution, self.manifest.channels)
        try:
            pixels = np.lib.format.open_memmap(path, mode="r")
            if pixels.dtype != np.uint8 or pixels.shape != wanted:
                raise ValueError(f"{pixels.dtype} {list(pixels.shape)} instead of uint8 {list(wanted)}")
        except (OSError, ValueError, EOFError) as error:
            raise InvalidData(
                f"{path}: not the array that the manifest beside it describes: {error}",
                help="prepare the images again, with --overwrite",
            ) from error
        return ArrayImages(pixels)


def find_prepared(spec: DataSpec) -> PreparedSet | None:
    """The prepared set that a spec means: NAME/ in the first place that has it, or the place itself.

    Raises RunError (4) where `data.path` names the prepared images of another data set.
    """
    for place in places(spec):
        for folder in (place / spec.dataset, place):
            manifest = read_manifest(folder)
            if manifest is None:
                continue
            if manifest.dataset == spec.dataset:
                return PreparedSet(folder, manifest)
            if spec.path is not None:
                raise InvalidData(
                    f"{folder}: found prepared images of {manifest.dataset}, wanted {spec.dataset}",
                    help="correct data.path or data.dataset",
                )
    return None


def _sha256(path: Path, record: ArrayRecord, read: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    passed = images = 0
    with path.open("rb") as file:
        while piece := file.read(BYTES_AT_A_TIME):
            digest.update(piece)
            passed += len(piece)
            now = min(record.count, passed * record.count // record.bytes)
            read(now - images)
            images = now
    return digest.hexdigest()


def _shape(resolution: int, channels: int) -> str:
    return f"{resolution}x{resolution}x{channels}"
