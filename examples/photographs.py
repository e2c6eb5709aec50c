"""Three sets of images, cut from the photographs that scikit-learn and matplotlib ship.

`python examples/photographs.py` writes two of them into the working directory:

- scans/: gray PNG files of 96x160 pixels and 16 bits, 12 of which are in use. See docs/scans.md.
- bands/: arrays of 32x48 pixels with four channels of 12 bits: red, green, blue and their mean. See docs/bands.md.

The third one is a torch Dataset, `patches`: tensors of 32x32 pixels in color, of 12 bits. See docs/torch_dataset.md.
Training images are from two photographs, test images from a third one.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import matplotlib.cbook
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.utils.data import Dataset

COUNTS = {"train": 1200, "test": 200}


def photographs(split: str) -> list[npt.NDArray[np.int64]]:
    """Return the photographs of a split, train or test: levels from 0 to 255, [H, W, 3]."""
    if split == "train":
        return [load_sample_image(name).astype(np.int64) for name in ("china.jpg", "flower.jpg")]
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return [np.asarray(Image.open(str(path)).convert("RGB")).astype(np.int64)]


def binned(image: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.int64]:
    """Add up the values of each square of side * side pixels, as a sensor does that reads several pixels as one."""
    height, width = image.shape[0] // side, image.shape[1] // side
    squares = image[: height * side, : width * side].reshape(height, side, width, side, -1)
    sums: npt.NDArray[np.int64] = squares.sum(axis=(1, 3))
    return sums


def gray_scan(image: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Return red + 2 green + blue over 2x2 pixels, [H / 2, W / 2, 1]: from 0 to 4,080, so that 12 bits are in use."""
    return binned(image @ np.array([[1], [2], [1]]), 2).astype(np.uint16)


def four_bands(image: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Return red, green, blue and their weighted mean over 4x4 pixels, [H / 4, W / 4, 4]: from 0 to 4,080 each."""
    colors = binned(image, 4)
    return np.concatenate([colors, (colors @ np.array([[1], [2], [1]])) // 4], axis=-1).astype(np.uint16)


def crops(pictures: list[npt.NDArray[np.uint16]], height: int, width: int, count: int) -> npt.NDArray[np.uint16]:
    """Cut `count` windows at random places of the pictures, [count, height, width, C]. The same ones at every call."""
    generator = np.random.default_rng(0)
    windows = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        top = generator.integers(picture.shape[0] - height + 1)
        left = generator.integers(picture.shape[1] - width + 1)
        windows.append(picture[top : top + height, left : left + width])
    return np.stack(windows)


class Patches(Dataset[Tensor]):
    """Patches of the photographs, cut when they are read: levels from 0 to 4,080, int64 [3, 32, 32]."""

    def __init__(self, split: str) -> None:
        self.pictures = [torch.from_numpy(binned(image, 4)).permute(2, 0, 1) for image in photographs(split)]
        self.count = COUNTS[split]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        """Return patch `index`, the same one at every call."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        picture = self.pictures[index % len(self.pictures)]
        generator = np.random.default_rng(index)
        top, left = (int(generator.integers(side - 31)) for side in picture.shape[1:])
        return picture[:, top : top + 32, left : left + 32]


def patches(split: str, path: str | None) -> Patches:  # noqa: ARG001 - the photographs come with the packages
    """Return the dataset of a split, train or test."""
    return Patches(split)


def png_bits_per_dim(images: Iterable[npt.NDArray[np.uint16]]) -> float:
    """Return the size of images [H, W] as PNG files, in bits per value, without the files' headers."""
    bits = values = 0
    for image in images:
        with BytesIO() as file:
            Image.fromarray(image).save(file, "PNG", optimize=True)
            content = file.getvalue()

        # A chunk is its length, a name of four bytes, its data and a checksum. IDAT has the compressed pixels.
        at = 8
        while at < len(content):
            length = int.from_bytes(content[at : at + 4], "big")
            bits += 8 * length * (content[at + 4 : at + 8] == b"IDAT")
            at += length + 12
        values += image.size
    return bits / values


def main() -> None:
    """Write scans/ and bands/ into the working directory, and print what the test images need as PNG files."""
    Path("bands").mkdir(exist_ok=True)
    for split, count in COUNTS.items():
        pictures = photographs(split)

        scans = crops([gray_scan(picture) for picture in pictures], 96, 160, count)
        Path("scans", split).mkdir(parents=True, exist_ok=True)
        for index, scan in enumerate(scans):
            Image.fromarray(scan[..., 0]).save(Path("scans", split, f"{index:04}.png"))
        print(f"scans/{split}: {count} PNG files, levels from {scans.min()} to {scans.max()}")

        bands = crops([four_bands(picture) for picture in pictures], 32, 48, count)
        np.save(Path("bands", f"{split}.npy"), bands)
        print(f"bands/{split}.npy: {bands.dtype} {list(bands.shape)}, levels from {bands.min()} to {bands.max()}")

    # `scans` and `bands` are those of the test now. PNG has no four channels, and Pillow writes no color of 16 bits.
    dataset = Patches("test")
    colors = np.stack([dataset[index].numpy() for index in range(len(dataset))]).astype(np.uint16)
    print("test images as PNG, a file for each channel, in bits per dimension:")
    for name, channels in (
        ("scans", scans.reshape(-1, 96, 160)),
        ("bands", np.moveaxis(bands, -1, 1).reshape(-1, 32, 48)),
        ("patches", colors.reshape(-1, 32, 32)),
    ):
        print(f"  {name}: {png_bits_per_dim(channels):.2f}")


if __name__ == "__main__":
    main()
