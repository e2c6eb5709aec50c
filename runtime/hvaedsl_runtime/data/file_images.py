"""Image files in a fixed order, each decoded when a batch reads it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hvaedsl_runtime.data.fitting import Changes, Fitting, changes_text, count_changes
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.images import Indices, Pixels, Values
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, NO_LEVELS, SIXTEEN_BIT_LEVELS, dtype_of, too_many_levels
from hvaedsl_runtime.data.problems import ImageProblem, Problems, Unusable, refused_file

DECODING_THREADS = 8
NO_LEVEL = -1


@dataclass(frozen=True, slots=True)
class FileImages:
    """Image files, converted to one size and to gray (1 channel) or RGB (3), as far as `fitting` allows.

    Other channels, and real values, which have NO_LEVELS, are taken as a file has them. A file holds levels or, if
    `shades` is set, level k as the shade 255 k / (levels - 1), rounded; with 65,535 in the place of 255 if there
    are more than 256 levels. `changes` has the changes of each file that was read, and 0 for the others. `trained`
    says that the model is trained, so that no other spec is proposed for a file that does not fit.
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]  # height, width, channels
    levels: int
    fitting: Fitting
    shades: bool = False
    trained: bool = False
    changes: Changes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Start with no file read."""
        object.__setattr__(self, "changes", np.zeros(len(self.files), dtype=np.uint16))

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Indices) -> Values:
        """Decode the images at `indices`, uint8 [B, H, W, C]; uint16 for more than 256 levels, float32 for reals.

        Raises UnusableImages, which names all of them that cannot be read or do not fit the spec.
        """
        batch = np.empty((len(indices), *self.shape), dtype=dtype_of(self.levels))
        problems, refused = Problems(), set[int]()  # an image may be in a batch several times
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            for position, found in enumerate(pool.map(self._decode, indices)):
                if isinstance(found, ImageProblem):
                    if indices[position] not in refused:
                        problems.add(found)
                    refused.add(int(indices[position]))
                else:
                    batch[position] = found
        problems.raise_any()
        return batch

    def changes_of(self, members: Indices) -> str:
        """Describe what was changed in the files at `members`; empty until all of them were read."""
        changes = self.changes[members]
        counts = Counter(count_changes(changes))
        return changes_text(counts) if counts["files"] == len(members) else ""

    def _decode(self, index: int) -> Values | ImageProblem:
        path, (height, width, channels) = self.files[index], self.shape
        fit, fine = fit_to(height, width, self.fitting), self.levels > EIGHT_BIT_LEVELS
        of_file = SIXTEEN_BIT_LEVELS if fine and self.shades else self.levels
        try:
            with path.open("rb") as file:
                was_read = bool(self.changes[index])
                pixels, changes = decode(file, channels, self.fitting, fit, levels=of_file, was_read=was_read)
        except OSError as error:
            return refused_file(path, error)
        except Unusable as error:
            return ImageProblem(str(path), str(error), error.of_file if self.trained else error.remedy)

        # Threads write to different elements.
        self.changes[index] = changes
        if self.levels == NO_LEVELS:
            return pixels
        if self.shades:
            return self._levels(path, pixels)
        return above_levels(str(path), pixels, self.levels, trained=self.trained) or pixels

    def _levels(self, path: Path, pixels: Pixels) -> Pixels | ImageProblem:
        """The levels of which the pixels are the shades."""
        shades = shades_of_levels(self.levels)
        levels = np.full(int(shades[-1]) + 1, NO_LEVEL, dtype=np.int32)
        levels[shades] = np.arange(self.levels)
        found = levels[pixels]
        if not (other := pixels[found == NO_LEVEL]).size:
            known: Pixels = found.astype(shades.dtype)
            return known
        few = ", ".join(map(str, (*shades[:3], "...")))
        return ImageProblem(
            str(path),
            f"the shade {other[0]} is that of none of the {self.levels} levels, which are {few}, {shades[-1]}",
            "use the shades of the levels, or a .npy file of levels",
        )


def above_levels(name: str, pixels: Pixels, levels: int, *, trained: bool = False) -> ImageProblem | None:
    """The problem of an image, called `name`, with a value that is not below `levels`; None without one.

    `trained` as for `too_many_levels`.
    """
    if (highest := int(pixels.max())) < levels:
        return None
    too_high = too_many_levels(name, highest, levels, trained=trained)
    return ImageProblem(name, str(too_high).removeprefix(f"{name}: "), too_high.help)


def shades_of_levels(levels: int) -> Pixels:
    """The shade of each level, uint8 or uint16 [levels], as pictures show it: 255 k / (levels - 1), rounded.

    65,535 is in the place of 255 if there are more than 256 levels.
    """
    if levels > EIGHT_BIT_LEVELS:
        shades: Pixels = np.rint(np.arange(levels) * ((SIXTEEN_BIT_LEVELS - 1) / (levels - 1))).astype(np.uint16)
        return shades
    return (np.arange(levels, dtype=np.float32) / np.float32(levels - 1) * np.float32(255) + 0.5).astype(np.uint8)
