"""Tables of images as Hugging Face datasets have them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from hvaedsl.diagnostics.errors import HvaedslError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import ImageSet, Split, open_split
from hvaedsl_runtime.data.images import Pixels

NAME = "hf:ada/faces"


def encoded(image: npt.NDArray[Any], kind: str = "PNG") -> bytes:
    """An image [H, W] or [H, W, C] as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image).save(buffer, kind)
    return buffer.getvalue()


def files_of(images: Sequence[npt.NDArray[Any]] | npt.NDArray[Any], kind: str = "PNG") -> list[dict[str, Any]]:
    """The rows of a column of the type `datasets.Image`."""
    return [{"bytes": encoded(image, kind), "path": f"{index}.png"} for index, image in enumerate(images)]


def write_table(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    """Write a parquet file of columns, which are lists or arrays of pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def lists(images: npt.NDArray[Any]) -> Any:
    """The rows of a column of nested lists."""
    import pyarrow as pa

    kind = pa.from_numpy_dtype(images.dtype)
    for _ in images.shape[1:]:
        kind = pa.list_(kind)
    return pa.array(images.tolist(), type=kind)


def flat(images: npt.NDArray[Any]) -> Any:
    """The rows of a column of lists of fixed size."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(images.ravel()), int(np.prod(images.shape[1:])))


def write_splits(folder: Path, images: Pixels, counts: dict[str, int]) -> None:
    """Parquet files by name, each with the next images."""
    start = 0
    for name, count in counts.items():
        write_table(folder / f"{name}.parquet", {"image": files_of(images[start : start + count])})
        start += count


def pixels(images: ImageSet) -> Pixels:
    """All images of a split."""
    return images.batch(np.arange(len(images)))


def error(spec: DataSpec, split: Split = "train") -> HvaedslError:
    """What opening a split raises."""
    with pytest.raises(HvaedslError) as caught:
        open_split(spec, split)
    return caught.value
