"""A copy of a run's state in memory that was allocated before, laid out as the files of a checkpoint.

Training continues as soon as the copy is made, while a thread writes it. The tensors of a part lie one after the other
as in a safetensors file, so that a file is its header and one piece of memory. The library's own `save_file` is not
used for that: it holds the interpreter's lock while it copies every tensor once more, and steps would wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from hvaedsl_runtime.disk.state_tree import Place, tree_of

# The names of types in safetensors files (huggingface/safetensors, README).
TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
ALIGNMENT = 64  # bytes at which a part starts; each type of a tensor divides it


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file in memory: its name, its header, and its tensors in the order of the header."""

    name: str
    header: bytes
    content: memoryview

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.header) + len(self.content)

    def chunks(self, size: int) -> Iterator[bytes | memoryview]:
        """The file in pieces of at most `size` bytes, after the header."""
        yield self.header
        for start in range(0, len(self.content), size):
            yield self.content[start : start + size]


class Snapshot:
    """Memory for the state of a run, and the last state that was copied into it.

    `expected` is the size of the state in bytes; memory for it is allocated and written to at once, and more only if a
    state turns out to be larger. Under `pinned`, a GPU copies into it directly.
    """

    def __init__(self, expected: int = 0, *, pinned: bool = False) -> None:
        self._pinned = pinned
        self._memory = self._allocated(expected)
        self.tree: dict[str, Any] = {}
        self.files: list[TensorFile] = []

    def take(self, state: Mapping[str, Any]) -> None:
        """Copy a state, of whatever device; it may change afterwards. Raises TypeError for values without a form."""
        self.tree, tensors = tree_of(state)
        parts = [
            (part, _in_order({name: tensor for (_, name), tensor in items}))
            for part, items in groupby(sorted(tensors.items(), key=_part), key=_part)
        ]
        if (needed := sum(map(_padded_size, (tensors for _, tensors in parts)))) > self._memory.numel():
            self._memory = self._allocated(needed)

        start, self.files = 0, []
        for part, ordered in parts:
            self.files.append(self._copied(part, ordered, start))
            start += _padded_size(ordered)
        if self._pinned:
            torch.accelerator.synchronize()

    @property
    def size(self) -> int:
        """Bytes of the files of the state."""
        return sum(file.size for file in self.files)

    def _copied(self, part: str, tensors: Mapping[str, Tensor], start: int) -> TensorFile:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        at = start
        for name, tensor in tensors.items():
            end = at + _size(tensor)
            self._memory[at:end].view(tensor.dtype).view(tensor.shape).copy_(tensor, non_blocking=self._pinned)
            offsets = [at - start, end - start]
            header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
            at = end
        return TensorFile(f"{part}.safetensors", _header(header), self._memory.numpy().data[start:at])

    def _allocated(self, size: int) -> Tensor:
        # Writing to it makes the system provide the memory now, and not during the first copy.
        return torch.empty(size, dtype=torch.uint8, pin_memory=self._pinned).zero_()


def _part(item: tuple[Place, Tensor]) -> str:
    return item[0][0]


def _in_order(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The largest types first, so that every tensor is aligned without a gap, as the format requires."""
    return dict(sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.dtype.itemsize


def _padded_size(tensors: Mapping[str, Tensor]) -> int:
    return -(-sum(map(_size, tensors.values())) // ALIGNMENT) * ALIGNMENT


def _header(content: Mapping[str, Any]) -> bytes:
    """The length of the header in 8 bytes, and the header in JSON, filled up with spaces to a multiple of 8."""
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
