"""An array in a .npy file, of which only what is asked for is read: mapped, all of it would take address space."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hvaedsl.diagnostics.errors import InvalidData


class FileArray:
    """An array [N, ...] in a file, in C order from the byte `start` on. It is read by index, each time from the file.

    Reading raises InvalidData if the file was truncated meanwhile, OSError if the system refuses to read it.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], start: int) -> None:
        self.path, self.shape, self.dtype, self.start = path, shape, dtype, start
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, self._file)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Read the items of a slice, or at several indices from 0 on, in that order."""
        indices = np.arange(*at.indices(len(self))) if isinstance(at, slice) else at
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"an index outside of the {len(self)} items of {self.path}")
        found = np.empty((len(indices), *self.shape[1:]), dtype=self.dtype)

        # Neighbors in the file are read at once.
        ends = np.flatnonzero(np.diff(indices) != 1) + 1
        first = 0
        for end in (*ends.tolist(), len(indices)):
            if end > first:
                self._read(found[first:end], int(indices[first]))
            first = end
        return found

    def _read(self, into: npt.NDArray[Any], index: int) -> None:
        """Fill a contiguous array with the items from `index` on."""
        item = into.nbytes // len(into)
        left, offset = into.reshape(-1).view(np.uint8).data, self.start + index * item
        while left:
            # One call reads 2 GiB at most, and less at a signal.
            read = os.preadv(self._file, [left], offset)
            if not read:
                at = f"{self.path}: it ends inside of item {(offset - self.start) // item:,}"
                raise InvalidData(
                    f"{at}; it had {len(self):,} items when it was opened",
                    help="let no other program change the file, and start again",
                )
            left, offset = left[read:], offset + read
