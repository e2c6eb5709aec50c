"""Writers of published files, small and in the genuine formats."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvaedsl_runtime.data.images import Pixels

Command = Callable[..., tuple[object, str, str]]


@pytest.fixture
def rgb() -> Callable[..., Pixels]:
    """Random color images, uint8 [count, resolution, resolution, 3]."""

    def make(count: int, resolution: int, seed: int = 0) -> Pixels:
        shape = (count, resolution, resolution, 3)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def png() -> Callable[[Pixels], bytes]:
    def encode(pixels: Pixels) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    return encode


@pytest.fixture
def write_npz() -> Callable[[Path, Pixels], None]:
    """One batch of Chrabaszcz et al.: a row for each image, plane by plane; labels from 1; the mean image."""

    def write(path: Path, images: Pixels) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        np.savez(path, data=rows, labels=np.ones(len(images), dtype=np.int64), mean=rows.mean(axis=0))

    return write


@pytest.fixture
def write_tar(png: Callable[[Pixels], bytes]) -> Callable[..., None]:
    """A tar as van den Oord et al. publish it: a folder, and PNG files in it; written last to first."""

    def write(path: Path, images: Pixels, extra: dict[str, bytes] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files = {f"{path.stem}/{index:07}.png": png(image) for index, image in enumerate(images, start=1)}
        with tarfile.open(path, "w") as archive:
            folder = tarfile.TarInfo(path.stem)
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for name, content in reversed((files | (extra or {})).items()):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    return write


@pytest.fixture
def write_celeba() -> Callable[..., Pixels]:
    """torchvision's layout: JPEG files of 178x218 and the partition. Gives what Pillow decodes, [N, 218, 178, 3]."""

    def write(root: Path, parts: str, *, nested: bool = False) -> Pixels:
        folder = root / "celeba" / "img_align_celeba"
        files = folder / "img_align_celeba" if nested else folder
        files.mkdir(parents=True)
        lines, decoded = [], []
        for index, part in enumerate(parts, start=1):
            coarse = np.random.default_rng(index).integers(0, 256, (11, 9, 3), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC)
            image.save(files / f"{index:06}.jpg", quality=90)
            with Image.open(files / f"{index:06}.jpg") as saved:
                decoded.append(np.asarray(saved))
            lines.append((f"{index:06}.jpg", part))
        if nested:
            text = "image_id,partition\n" + "".join(f"{name},{part}\n" for name, part in lines)
            (root / "celeba" / "list_eval_partition.csv").write_text(text)
        else:
            text = "".join(f"{name} {part}\n" for name, part in lines)
            (root / "celeba" / "list_eval_partition.txt").write_text(text)
        return np.stack(decoded)

    return write


@pytest.fixture
def write_pngs(png: Callable[[Pixels], bytes]) -> Callable[..., None]:
    """Numbered PNG files; `layout` is that of a path, as {0:05}.png or {1:05}/{0:05}.png (the thousands)."""

    def write(root: Path, images: Pixels, layout: str, first: int = 0) -> None:
        for index, image in enumerate(images, start=first):
            path = root / layout.format(index, index // 1000 * 1000)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(image))

    return write
