"""The handwritten digits that come with scikit-learn: 1,797 gray images, 8x8, 17 levels."""

from __future__ import annotations

import numpy as np

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ImageSet, Split, array_images, image_set
from hvaedsl_runtime.data.splits import partition

TEST_IMAGES = 360


def digits(spec: DataSpec, split: Split) -> ImageSet:
    """Open a split: 360 test images, `data.validation` (180 by default) validation images, and the rest for training.

    The split is drawn with `split_seed`: scikit-learn ships only the test part of the UCI dataset "Optical Recognition
    of Handwritten Digits", without a split. Raises DataNotFound if `data.validation` leaves no training image.
    """
    from sklearn.datasets import load_digits  # a slow import that only this dataset needs

    pixels = load_digits().images.astype(np.uint8)[..., None]
    images = array_images(pixels, spec, "scikit-learn's digits")
    return image_set(spec, split, images, partition(len(images), spec, test=TEST_IMAGES)[split])
