"""Folders of images, written and read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hvaedsl_runtime.data import ImageSet
from hvaedsl_runtime.data.images import Pixels


def everything(images: ImageSet) -> Pixels:
    return images.batch(np.arange(len(images)))


def write(folder: Path, pixels: Pixels, suffix: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image.squeeze()).save(folder / f"{index:03}.{suffix}")
