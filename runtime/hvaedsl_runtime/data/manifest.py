"""The manifest of prepared images: their origin, number, levels and checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.ir.data_spec import FileFit
from hvaedsl.ir.image_size import ImageSize
from hvaedsl_runtime.data.fitting import Fitting
from hvaedsl_runtime.data.levels import LevelType
from hvaedsl_runtime.data.splits import PartName

NAME = "manifest.json"
FORMAT = "hvaedsl images"
VERSION = 1


class Record(BaseModel):
    """Base of the manifest's models: immutable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArrayRecord(Record):
    """One .npy file, [count, height, width, channels] of the manifest's `dtype`.

    `sha256` is the checksum of the whole file. `level_counts` is the number of times that each level occurs; `mean` and
    `std` are computed from it.
    """

    count: int = Field(gt=0)
    bytes: int
    sha256: str
    mean: float
    std: float
    level_counts: tuple[int, ...]

    def highest_level(self) -> int:
        """Return the highest level that occurs."""
        return max(level for level, count in enumerate(self.level_counts) if count)

    def counts_of(self, levels: int) -> tuple[int, ...]:
        """Return the number of times that each of `levels` levels occurs; those that the array cannot have, never."""
        return (*self.level_counts[:levels], *(0,) * (levels - len(self.level_counts)))


class OriginRecord(Record):
    """A file that images came from, or a folder of `files` files; `bytes` is the total size.

    `sha256` is the checksum of a table; it is missing in manifests of earlier versions, and for other sources.
    """

    path: str
    files: int
    bytes: int
    sha256: str | None = None


class FitRecord(Record):
    """What was allowed to be done to image files that do not fit; `background` is #rrggbb.

    `fit` is the value of `data.fit`, which `crop` and `resize` say too; it is missing in manifests of earlier versions.
    """

    fit: FileFit | None = None
    crop: Literal["center", "none"]
    resize: bool
    gray: bool
    background: str | None

    @property
    def allowed(self) -> FileFit:
        """The value of `data.fit`, in manifests of earlier versions too."""
        return Fitting(crop=self.crop == "center", resize=self.resize).fit


class Manifest(Record):
    """The manifest of a prepared dataset. It is written last, so a folder that has one is complete.

    `config` and `column` are those of a dataset of the Hugging Face Hub. `fit` is None for published datasets, and
    `changes`, the number of image files by change, is empty for arrays; both, and `dtype`, are missing in manifests of
    earlier versions.
    """

    format: Literal["hvaedsl images"] = "hvaedsl images"
    version: Literal[1] = 1
    dataset: str
    config: str | None = None
    column: str | None = None
    resolution: int | ImageSize
    channels: int
    levels: int
    dtype: LevelType = "uint8"
    layout: str
    origins: tuple[OriginRecord, ...]
    warnings: tuple[str, ...]
    arrays: Mapping[PartName, ArrayRecord]
    hvaedsl: str
    fit: FitRecord | None = None
    changes: Mapping[str, int] = Field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a folder; return None if the folder holds no prepared images.

    Raises InvalidData for a manifest that is damaged or of another version.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return None  # any folder of images may hold an unrelated manifest.json

    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    if content.get("version") != VERSION:
        raise InvalidData(
            f"{path}: version {content.get('version')} of prepared images is not supported; expected {VERSION}",
            help="prepare the images again with this version of hvaedsl",
        )

    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidData(
            f"{path}: the manifest is damaged: {place}: {first['msg']}",
            help="prepare the images again, with --force",
        ) from error
