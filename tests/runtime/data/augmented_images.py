"""Images that are stored larger than those of a model: the images of an epoch, and functions that change them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl_runtime.data import Augmentation, ImageSet
from hvaedsl_runtime.data.images import Indices, Pixels
from hvaedsl_runtime.data.seeded import augmentation_words

COUNT = 30
STORED = (9, 12, 1)
SHAPE = (6, 10, 1)
SEED = 3

FUNCTIONS = """
import numpy as np
import random
import torch

def doubled(image, generator):
    return image * 2

def drawn(image, generator):
    image[...] = torch.randint(0, 256, image.shape, generator=generator).numpy()
    return image

def as_tensor(image, generator):
    return torch.from_numpy(image).flip(0)

def turned(image, generator):
    return image.transpose(1, 0, 2)

def scaled(image, generator):
    return image / 255

def nothing(image, generator):
    image += 1

def fails(image, generator):
    raise KeyError("no such color")

def too_high(image, generator):
    return np.full_like(image, 17)

def own_numbers(image, generator):
    return np.full_like(image, random.randrange(256))

not_a_function = 3
"""


def augmented(images: ImageSet, seed: int = SEED, **keys: Any) -> Augmentation:
    return Augmentation(AugmentSpec(**keys), images, seed)


def at(epoch: int, count: int = COUNT) -> tuple[Indices, Indices]:
    """The indices of `count` images, and their epochs."""
    return np.arange(count), np.full(count, epoch)


def by_hand(pixels: Pixels, epoch: int, *, flips: bool, shape: tuple[int, ...] = SHAPE) -> Pixels:
    """The windows and flips of an epoch, written out."""
    found = np.empty((len(pixels), *shape), dtype=pixels.dtype)
    for index, stored in enumerate(pixels):
        rows, columns, flip, _ = augmentation_words(SEED, epoch, index)
        top, left = rows % (stored.shape[0] - shape[0] + 1), columns % (stored.shape[1] - shape[1] + 1)
        for row in range(shape[0]):
            for column in range(shape[1]):
                source = shape[1] - 1 - column if flips and flip % 2 else column
                found[index, row, column] = stored[top + row, left + source]
    return found
