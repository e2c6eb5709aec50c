"""The rows of tables as images: read a few megabytes at a time, decoded and checked, and refused all at once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from torch.utils.data import Dataset

from hvaedsl.diagnostics.errors import InvalidData
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.file_images import DECODING_THREADS, above_levels
from hvaedsl_runtime.data.fitting import Changes, Fitting
from hvaedsl_runtime.data.hub.columns import Form, is_list
from hvaedsl_runtime.data.image_file import decode, fit_to
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.data.problems import REPLACE, ImageProblem, Problems, Unusable, refused_file
from hvaedsl_runtime.data.published.source import Part
from hvaedsl_runtime.data.torch_dataset import TorchImages

# What pyarrow raises for a damaged file; its own exceptions are also ValueErrors and the like.
DAMAGED = (pa.ArrowException, OSError, ValueError)
WITHOUT_IMAGE = "remove the rows without an image from the table"
EMBED = "save the dataset with the images in its table, as `Dataset.to_parquet` of the package datasets does"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table, of which `chunks` yields the image column in order; `name` is that of the messages.

    If `reads_paths` is set, a row without bytes may have the path of its file.
    """

    name: str
    count: int
    chunks: Callable[[], Iterator[pa.Array]]
    reads_paths: bool = False


def part_of_rows(tables: Sequence[Rows], form: Form, spec: DataSpec, fitting: Fitting) -> Part:
    """Return the images of tables, one after another, converted to the spec's shape as far as `fitting` allows.

    Rows and tables that cannot be used do not end the pass: UnusableImages is raised at its end and names all of them.
    """
    count = sum(table.count for table in tables)
    changes = np.zeros(count, dtype=np.uint16)

    def batches() -> Iterator[Pixels]:
        problems, first = Problems("rows"), 0
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            for table in tables:
                reader = _FileRows(table, spec, fitting, changes[first : first + table.count])
                convert = reader.pixels if form == "files" else _NumberRows(table, spec).pixels
                row = 0
                try:
                    for chunk in table.chunks():
                        pixels = _storage(chunk)
                        tasks = [(pixels[i : i + 1], row + i) for i in range(len(pixels))]
                        row += len(tasks)
                        # Lists of numbers are converted under Python's lock, which threads would only hand around.
                        found = pool.map(convert, tasks) if form == "files" else map(convert, tasks)
                        if images := list(_usable(found, problems)):
                            yield np.stack(images)
                except DAMAGED as error:
                    reason = f"it cannot be read from row {row:,} on: {joined(error)}"
                    problems.add(ImageProblem(table.name, reason, REPLACE))
                first += table.count
        problems.raise_any()

    return Part(count, batches, changes if form == "files" else None)


def _usable(found: Iterator[Pixels | ImageProblem], problems: Problems) -> Iterator[Pixels]:
    for item in found:
        if isinstance(item, ImageProblem):
            problems.add(item)
        else:
            yield item


def _storage(chunk: pa.Array) -> pa.Array:
    """The values of a column, one a row, without an extension type, except that of tensors, which says their shape."""
    if isinstance(chunk, pa.DictionaryArray):
        return _storage(chunk.dictionary_decode())
    is_plain = isinstance(chunk, pa.FixedShapeTensorArray) or not isinstance(chunk, pa.ExtensionArray)
    return chunk if is_plain else _storage(chunk.storage)


@dataclass(frozen=True, slots=True)
class _FileRows:
    """Rows with an image file each; what was changed in it goes into `changes`."""

    table: Rows
    spec: DataSpec
    fitting: Fitting
    changes: Changes

    def pixels(self, task: tuple[pa.Array, int]) -> Pixels | ImageProblem:
        """Decode a row, given as an array of length 1 with its index; or say why it cannot be used."""
        (values, row), (height, width, channels) = task, self.spec.shape
        name = f"{self.table.name}, row {row}"
        content = self._content(values[0], name)
        if isinstance(content, ImageProblem):
            return content

        levels, fit = self.spec.levels, fit_to(height, width, self.fitting)
        try:
            pixels, changes = decode(io.BytesIO(content), channels, self.fitting, fit, levels=levels)
        except Unusable as error:
            return ImageProblem(name, str(error), error.remedy)
        self.changes[row] = changes
        return above_levels(name, pixels, levels) or pixels

    def _content(self, value: pa.Scalar, name: str) -> bytes | ImageProblem:
        """The bytes of the file in a row."""
        if not value.is_valid:
            return ImageProblem(name, "it has no image (null)", WITHOUT_IMAGE)
        if not isinstance(value, pa.StructScalar):
            return cast(bytes, value.as_py())
        fields = value.as_py()
        content, path = fields["bytes"], fields.get("path")
        if content is not None:
            return cast(bytes, content)
        if not path:
            return ImageProblem(name, "it has no image (null)", WITHOUT_IMAGE)
        if not self.table.reads_paths:
            return ImageProblem(name, f"it has the path {path} and no image", EMBED)
        try:
            return Path(path).read_bytes()
        except OSError as error:
            return refused_file(Path(path), error)._replace(file=name)


@dataclass(frozen=True, slots=True)
class _NumberRows:
    """Rows with the values of an image each, in lists or tensors."""

    table: Rows
    spec: DataSpec

    def pixels(self, task: tuple[pa.Array, int]) -> Pixels | ImageProblem:
        """Convert a row, given as an array of length 1 with its index; or say why it cannot be used."""
        values, row = task
        name = f"{self.table.name}, row {row}"
        try:
            image = _numbers(values)
        except Unusable as error:
            return ImageProblem(name, str(error), error.remedy)

        # A flat list has the values in the order of an array [H, W, C].
        height, width, channels = self.spec.shape
        if image.ndim == 1 and image.size == height * width * channels:
            image = image.reshape(self.spec.shape)
        try:
            images = TorchImages(cast(Dataset[Any], [image]), self.spec, name).read(np.zeros(1, dtype=np.int64))
        except InvalidData as error:
            return ImageProblem(name, str(error).removeprefix(f"{name}, item 0: "), error.help)
        return images.reshape(self.spec.shape)


def _numbers(row: pa.Array) -> npt.NDArray[Any]:
    """The values of one row as an array. Raises Unusable for null and for lists of different lengths."""
    if row.null_count:
        raise Unusable("it has no image (null)", WITHOUT_IMAGE)
    if isinstance(row, pa.FixedShapeTensorArray):
        tensor: npt.NDArray[Any] = row.to_numpy_ndarray()[0]
        return tensor

    shape: list[int] = []
    while is_list(row.type):
        if row.null_count:
            raise Unusable("it has null in the place of a list", WITHOUT_IMAGE)
        lengths = pc.unique(pc.list_value_length(row)).to_pylist()
        if len(lengths) > 1:
            raise Unusable(f"its lists have lengths from {min(lengths)} to {max(lengths)}", "make all of them equal")
        shape.append(lengths[0] if lengths else 0)
        row = row.flatten()
    values: npt.NDArray[Any] = row.to_numpy(zero_copy_only=False)
    return values.reshape(shape)
