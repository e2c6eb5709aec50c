"""Whether images are those that a run was trained on, from a few of them: a resumed run must not notice too late."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from hvaedsl_runtime.data.images import ImageSet
from hvaedsl_runtime.data.windows import stored_images

# Images that are read, evenly spread over a split.
SAMPLED = 64
# The fields, in the order in which a difference is reported, and what differs in words.
PIXELS = f"sha256 of {SAMPLED} images"
DIFFERENCES = {
    "array sha256": "the checksum in the manifest of the prepared images differs",
    "names sha256": "other files",
    PIXELS: f"of {SAMPLED} images that were compared, some have other pixels or another place",
}
COUNT = "images"

Fingerprint = Mapping[str, str | int]


def fingerprint(images: ImageSet) -> Fingerprint:
    """Describe a split by its number of images, a checksum of a few of them, and one of their source if it is known.

    Reads SAMPLED images at most; those that are stored larger than the model's are compared whole, since training uses
    all of them. Raises InvalidData for an image that cannot be read.
    """
    chosen = np.linspace(0, len(images) - 1, min(SAMPLED, len(images))).astype(np.int64)
    return {
        COUNT: len(images),
        PIXELS: hashlib.sha256(stored_images(images).batch(chosen).tobytes()).hexdigest(),
        **images.checksums,
    }


def names_checksum(names: Iterable[str]) -> Mapping[str, str]:
    """The checksum of the names of image files in their order, for `ImageSet.checksums`."""
    return {"names sha256": hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()}


def array_checksum(sha256: str) -> Mapping[str, str]:
    """The checksum of a file of prepared images as its manifest has it, for `ImageSet.checksums`."""
    return {"array sha256": sha256}


def differences(before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint]) -> list[str]:
    """Say what differs between the fingerprints of splits, a line each; nothing if there are none of before.

    A field that only one of them has is not compared: the same images may have been prepared since.
    """
    lines: list[str] = []
    if not before:
        return lines
    for split in [*before, *(split for split in now if split not in before)]:
        if split not in before or split not in now:
            lines.append(f"{split}: images only {'then' if split in before else 'now'}")
            continue
        old, new = before[split], now[split]
        if old.get(COUNT) != new.get(COUNT):
            lines.append(f"{split}: {old.get(COUNT)} images then, {new.get(COUNT)} now")
        elif changed := [words for name, words in DIFFERENCES.items() if _differ(name, old, new)]:
            lines.append(f"{split}: {changed[0]}")
    return lines


def _differ(name: str, old: Fingerprint, new: Fingerprint) -> bool:
    return name in old and name in new and old[name] != new[name]
