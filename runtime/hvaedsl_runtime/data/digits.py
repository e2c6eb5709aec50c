"""The handwritten digits that come with scikit-learn: 1,797 gray images, 8x8, 17 levels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ImageSet, Split, array_images, image_set
from hvaedsl_runtime.data.splits import partition

TEST_IMAGES = 360


def digits(spec: DataSpec, split: Split) -> ImageSet:
    """Open a split: 360 test images, `data.validation` (180 by default) validation images, and the rest for training.

    The split is drawn with `split_seed`: scikit-learn ships only the test part of the UCI dataset "Optical Recognition
    of Handwritten Digits", without a split. Raises DataNotFound if `data.validation` leaves no training image.
    """
    images = array_images(_pixels(), spec, "scikit-learn's digits")
    return image_set(spec, split, images, partition(len(images), spec, test=TEST_IMAGES)[split])


@cache
def _pixels() -> NDArray[np.uint8]:
    """All digits, [1797, 8, 8, 1], read-only; the file is text, and a run opens three splits of it."""
    from sklearn.datasets import load_digits  # a slow import that only this dataset needs

    pixels: NDArray[np.uint8] = load_digits().images.astype(np.uint8)[..., None]
    pixels.flags.writeable = False
    return pixels
