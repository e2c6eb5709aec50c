"""A data set of one's own: the handwritten digits from 0 to 4. See custom_parts.hvae."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits


def low_digits(split: str, path: str | None) -> npt.NDArray[np.uint8]:  # noqa: ARG001 - scikit-learn brings the images
    """The images of a split, train or test, uint8 [N, 8, 8, 1] with levels from 0 to 16; every fifth is for the test.

    `path` is data.path: where files would be.
    """
    digits = load_digits()
    images: npt.NDArray[np.uint8] = digits.images[digits.target < 5].astype(np.uint8)[..., None]
    in_test = np.arange(len(images)) % 5 == 0
    chosen: npt.NDArray[np.uint8] = images[in_test if split == "test" else ~in_test]
    return chosen
