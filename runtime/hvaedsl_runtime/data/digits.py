"""The handwritten digits that come with scikit-learn: 1,797 grey images, 8x8, 17 levels."""

from __future__ import annotations

import numpy as np

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.images import ImageSet, Split, checked, image_set
from hvaedsl_runtime.data.splits import partition

TEST_IMAGES = 360


def digits(spec: DataSpec, split: Split) -> ImageSet:
    """360 images to test, `data.validation` (180 by default) for validation, the rest to train; by `split_seed`.

    The images are the test part of the UCI set "Optical Recognition of Handwritten Digits", which has no split of its
    own here. Raises RunError (4) where `data.validation` leaves nothing to train on.
    """
    from sklearn.datasets import load_digits  # a slow import, for this data set alone

    pixels = load_digits().images.astype(np.uint8)[..., None]
    images = checked(pixels, spec, "scikit-learn's digits")
    return image_set(spec, split, images, partition(len(images), spec, test=TEST_IMAGES)[split])
