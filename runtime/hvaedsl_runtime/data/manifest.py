"""What stands beside prepared images: where they came from, how many there are, their levels and checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl_runtime.data.splits import PartName

NAME = "manifest.json"
FORMAT = "hvaedsl images"
VERSION = 1


class Record(BaseModel):
    """A base: nothing changes, nothing is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArrayRecord(Record):
    """One .npy file, uint8 [count, resolution, resolution, channels].

    `sha256` is that of the whole file. `level_counts` says how often each level occurs; `mean` and `std` follow.
    """

    count: int = Field(gt=0)
    bytes: int
    sha256: str
    mean: float
    std: float
    level_counts: tuple[int, ...]

    def highest_level(self) -> int:
        """The highest level that occurs."""
        return max(level for level, count in enumerate(self.level_counts) if count)


class OriginRecord(Record):
    """A file, or a folder of so many files, that images came from."""

    path: str
    files: int
    bytes: int


class Manifest(Record):
    """A whole prepared set; the file is written last."""

    format: Literal["hvaedsl images"] = "hvaedsl images"
    version: Literal[1] = 1
    dataset: str
    resolution: int
    channels: int
    levels: int
    layout: str
    origins: tuple[OriginRecord, ...]
    warnings: tuple[str, ...]
    arrays: Mapping[PartName, ArrayRecord]
    hvaedsl: str


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none of ours.

    Raises RunError (4) for one that is damaged, or of a later version.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return None  # one's own folder of images may hold any manifest.json
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    if content.get("version") != VERSION:
        raise InvalidData(
            f"{path}: found version {content.get('version')} of prepared images, wanted {VERSION}",
            help="prepare the images again with this version of hvaedsl",
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidData(
            f"{path}: the manifest is damaged: {place}: {first['msg']}",
            help="prepare the images again, with --overwrite",
        ) from error
