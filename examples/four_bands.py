"""Images with four channels, cut from photographs that installed packages ship: red, green, blue and a wide band.

    python examples/four_bands.py FOLDER       # writes FOLDER/train.npy and FOLDER/test.npy

Training and test images are from different photographs. The fourth channel is a weighted mean of the colors, as a
camera with a wide filter would record it, so that all four depend on each other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import cbook
from PIL import Image
from sklearn.datasets import load_sample_image

HEIGHT, WIDTH = 24, 40
TRAINING, TESTING = 800, 100
WIDE_BAND = (0.45, 0.35, 0.2)  # weights of red, green and blue


def main(folder: Path) -> None:
    """Write both arrays, uint8 [N, 24, 40, 4]."""
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        portrait = np.asarray(image.convert("RGB"))
    rng = np.random.default_rng(0)
    photographs = (load_sample_image("china.jpg"), portrait)
    training = [crops(photograph, TRAINING // 2, rng) for photograph in photographs]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "train.npy", np.concatenate(training))
    np.save(folder / "test.npy", crops(load_sample_image("flower.jpg"), TESTING, rng))


def crops(photograph: npt.NDArray[np.uint8], count: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Cut images at random places of a photograph, at half its size, which has less noise."""
    height, width = (size // 2 for size in photograph.shape[:2])
    small = np.asarray(Image.fromarray(photograph).resize((width, height), Image.Resampling.BILINEAR))
    wide = np.rint(small @ np.array(WIDE_BAND)).astype(np.uint8)
    bands = np.concatenate([small, wide[..., None]], axis=-1)
    tops = rng.integers(0, height - HEIGHT, count)
    lefts = rng.integers(0, width - WIDTH, count)
    return np.stack([bands[y : y + HEIGHT, x : x + WIDTH] for y, x in zip(tops, lefts, strict=True)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
