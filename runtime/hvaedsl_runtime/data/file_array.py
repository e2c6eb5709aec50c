"""An array in a .npy file, of which only what is asked for is read: mapped, all of it would take address space."""

from __future__ import annotations

import math
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.diagnostics.numbers import counted


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
        if (read := self._fill(into, self.start + index * item)) < into.nbytes:
            raise self._truncated(f"inside of item {index + read // item:,}")

    def _fill(self, into: npt.NDArray[Any], offset: int) -> int:
        """Fill a contiguous array with the bytes from `offset` on. Returns how many there were."""
        left = into.reshape(-1).view(np.uint8).data
        # One call reads 2 GiB at most, and less at a signal.
        while left and (read := os.preadv(self._file, [left], offset)):
            left, offset = left[read:], offset + read
        return into.nbytes - len(left)

    def _truncated(self, where: str) -> InvalidData:
        return InvalidData(
            f"{self.path}: it ends {where}; it had {counted(len(self), 'item')} when it was opened",
            help="let no other program change the file, and start again",
        )


class FortranArray(FileArray):
    """An array [N, ...] in Fortran's order: the values of one position in all items are beside each other.

    Neighboring items are read with one call for each position of an item, items that are apart with as many for each.
    """

    def _read(self, into: npt.NDArray[Any], index: int) -> None:
        """Fill a contiguous array with the items from `index` on."""
        values = np.empty((math.prod(self.shape[1:]), len(into)), dtype=self.dtype)
        for position, row in enumerate(values):
            offset = self.start + (position * len(self) + index) * self.dtype.itemsize
            if self._fill(row, offset) < row.nbytes:
                raise self._truncated(f"before position {position:,} of item {index:,}")
        # The first axis of an item changes fastest.
        into[...] = values.reshape(*reversed(self.shape[1:]), len(into)).T
