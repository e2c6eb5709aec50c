"""Open, describe and verify prepared images: arrays in files, of which a run reads what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.refusals import TOO_MANY_FILES
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.ir.hub import HUB_KEYS
from hvaedsl.ir.image_size import sides, size_text
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.fingerprint import array_checksum
from hvaedsl_runtime.data.fitting import changes_text
from hvaedsl_runtime.data.images import ArrayImages, ImageSet, Split, image_set
from hvaedsl_runtime.data.levels import dtype_name, too_many_levels
from hvaedsl_runtime.data.manifest import NAME, ArrayRecord, Manifest, read_manifest
from hvaedsl_runtime.data.npy import open_array, wrong_size
from hvaedsl_runtime.data.places import folder_name, places
from hvaedsl_runtime.data.problems import unlisted
from hvaedsl_runtime.data.splits import TESTED_ON_VALIDATION, PartName, members
from hvaedsl_runtime.disk.checksums import file_sha256


class SourceCheck(NamedTuple):
    """The files that images were prepared from: how many are the same, which are gone, and a line for each other."""

    agree: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A folder written by `hvaedsl data prepare`."""

    folder: Path
    manifest: Manifest

    @classmethod
    def at(cls, folder: Path) -> PreparedSet:
        """Open a folder. Raises DataNotFound if it has no manifest, InvalidData if the manifest is damaged."""
        manifest = read_manifest(folder)
        if manifest is None:
            other = other_form(folder)
            raise DataNotFound(
                f"{folder}: found no prepared images ({NAME})",
                help=other.help if other else "pass a folder written by `hvaedsl data prepare`",
            )
        return cls(folder, manifest)

    def path(self, part: PartName) -> Path:
        """Return the file of a part."""
        return self.folder / f"{part}.npy"

    @property
    def has_validation(self) -> bool:
        """Whether there are validation images without holding any out of the training images."""
        parts = self.manifest.arrays
        return "validation" in parts or (self.manifest.dataset in TESTED_ON_VALIDATION and "test" in parts)

    def split(self, spec: DataSpec, split: Split) -> ImageSet:
        """Open a split, divided as the published files are; no pixel is read.

        Raises InvalidData for missing or damaged files, and for images that do not fit the spec; DataNotFound if the
        split has no image.
        """
        manifest = self.manifest
        if (manifest.resolution, manifest.channels) != (spec.resolution, spec.channels):
            raise InvalidData(
                f"{self.folder}: the images are {_shape(manifest)}; the spec needs {_shape(spec)}",
                help=f"correct {spec.size_key} and data.channels, or prepare the images again",
            )

        if spec.is_real:
            raise InvalidData(
                f"{self.folder}: the prepared images have levels; data.values is real",
                help="set data.path to the folder of TIFF files of floats, which are read without being prepared, or "
                "remove `values = real` from the spec",
            )

        self._check_fit(spec)
        self._check_table(spec)
        if manifest.dtype not in (needed := dtype_name(spec.levels), "uint16"):
            raise InvalidData(
                f"{self.folder}: the images are {manifest.dtype}, of {manifest.levels} levels; data.levels = "
                f"{spec.levels} needs {needed}",
                help=f"correct data.levels, or prepare the images again with --levels {spec.levels}",
            )

        part, indices = members(spec, {name: record.count for name, record in manifest.arrays.items()}, split)
        record = manifest.arrays[part]
        if (highest := record.highest_level()) >= spec.levels:
            raise too_many_levels(str(self.path(part)), highest, spec.levels)

        changes = changes_text(manifest.changes)
        files = counted(manifest.changes.get("files", 0), "file")
        notes = (f"of {files}, when they were prepared: {changes}",) if changes else ()
        counts, checksum = record.counts_of(spec.levels), array_checksum(record.sha256)
        return image_set(spec, split, self._open(part), indices, counts, notes, checksum)

    def _check_fit(self, spec: DataSpec) -> None:
        """Raise InvalidData if the image files were prepared under another `data.fit`."""
        record = self.manifest.fit
        if record is None or record.allowed == spec.fit:
            return
        # Before `data.fit` existed, a spec went with images that were prepared in any way.
        if record.fit is None and spec.fit == "crop_resize":
            return
        raise InvalidData(
            f"{self.folder}: the images were prepared with fit {record.allowed}; data.fit is {spec.fit}",
            help=f"set data.fit to {record.allowed}, or prepare the images again with --fit {spec.fit}",
        )

    def _check_table(self, spec: DataSpec) -> None:
        """Raise InvalidData if the images are those of another configuration or column than the spec names."""
        for key in HUB_KEYS:
            wanted, found = getattr(spec, key), getattr(self.manifest, key)
            if wanted is not None and wanted != found:
                stated = "none" if found is None else found
                raise InvalidData(
                    f"{self.folder}: the {key} that the images were prepared from is {stated}; data.{key} is {wanted}",
                    help=f"correct data.{key}, or prepare the images again with --{key}",
                )

    def damaged(self, read: Callable[[int], None]) -> list[str]:
        """Return a line for each array that does not match the manifest, after reading all of them.

        `read` is called with the number of images read since the last call.
        """
        lines = []
        for part, record in self.manifest.arrays.items():
            path = self.path(part)
            try:
                found = _sha256(path, record, read)
            except OSError as error:
                lines.append(f"{path}: {error.strerror}")
                continue
            if found != record.sha256:
                lines.append(f"{path}: its checksum is {found}; expected {record.sha256}")
        return lines

    def check_sources(self) -> SourceCheck:
        """Compare the files that the images were prepared from with their checksums, as far as the manifest has them.

        The images do not need them any more: a file that is gone is counted, and is no mistake.
        """
        agree, missing, lines = 0, [], []
        for origin in self.manifest.origins:
            if origin.sha256 is None:
                continue
            path = Path(origin.path)
            try:
                found = file_sha256(path)
            except FileNotFoundError:
                missing.append(origin.path)
            except OSError as error:
                lines.append(f"{path}: {error.strerror}")
            else:
                agree += found == origin.sha256
                if found != origin.sha256:
                    lines.append(f"{path}: its checksum is {found}; the images were prepared from {origin.sha256}")
        return SourceCheck(agree, tuple(missing), tuple(lines))

    def summary(self) -> str:
        """Describe the manifest: a line for the dataset and for each array, then origins and warnings."""
        manifest = self.manifest
        shape = _shape(manifest)
        lines = [f"{self.folder}: {manifest.dataset}, {shape}, {manifest.levels:,} levels, {manifest.dtype}"]
        lines += [
            f"  {part}.npy: {counted(record.count, 'image')}, {_size(record.bytes)}, "
            f"mean {record.mean:.4f}, std {record.std:.4f}"
            for part, record in manifest.arrays.items()
        ]

        lines.append(f"  from: {manifest.layout}")
        for origin in manifest.origins:
            files = "" if origin.files == 1 else f"{origin.files:,} files, "
            lines.append(f"    {origin.path} ({files}{_size(origin.bytes)})")
        if changes := changes_text(manifest.changes):
            lines.append(f"  of {counted(manifest.changes['files'], 'file')}: {changes}")
        lines += [f"  warning: {warning}" for warning in manifest.warnings]
        return "\n".join(lines)

    def _open(self, part: PartName) -> ArrayImages:
        path, record = self.path(part), self.manifest.arrays[part]
        shape = (record.count, *sides(self.manifest.resolution), self.manifest.channels)
        try:
            if (wrong := wrong_size(path)) is not None:
                raise ValueError(wrong.what)
            pixels = open_array(path)
            dtype = self.manifest.dtype
            if pixels.dtype != dtype or pixels.shape != shape:
                raise ValueError(f"{pixels.dtype} {list(pixels.shape)} instead of {dtype} {list(shape)}")
        except (OSError, ValueError, EOFError) as error:
            if isinstance(error, OSError) and error.errno in TOO_MANY_FILES:
                raise unlisted(error, path) from error
            raise InvalidData(
                f"{path}: the array does not match its manifest: {error}",
                help="prepare the images again, with --force",
            ) from error
        return ArrayImages(pixels)


def find_prepared(spec: DataSpec) -> PreparedSet | None:
    """Find the prepared images of a spec's dataset: in the folder NAME of a searched folder, or in that folder itself.

    Returns None if there are none. Raises InvalidData if `data.path` holds the prepared images of another dataset.
    """
    for place in places(spec):
        for folder in (place / folder_name(spec.dataset), place):
            manifest = read_manifest(folder)
            if manifest is None:
                continue
            if manifest.dataset == spec.dataset:
                return PreparedSet(folder, manifest)
            if spec.path is not None:
                raise InvalidData(
                    f"{folder}: contains prepared images of {manifest.dataset}; the spec uses {spec.dataset}",
                    help="correct data.path or data.dataset",
                )
    return None


def _sha256(path: Path, record: ArrayRecord, read: Callable[[int], None]) -> str:
    images = 0

    def passed(done: int) -> None:
        nonlocal images
        now = min(record.count, done * record.count // record.bytes)
        read(now - images)
        images = now

    return file_sha256(path, passed)


def _shape(images: Manifest | DataSpec) -> str:
    return f"{size_text(*sides(images.resolution))}x{images.channels}"


def _size(size: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
