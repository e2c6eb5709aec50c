"""A custom dataset: the handwritten digits from 0 to 4. See custom_parts.hvae."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits


def low_digits(split: str, path: str | None) -> npt.NDArray[np.uint8]:  # noqa: ARG001 - scikit-learn has the images
    """Return the images of a split, train or test: uint8 [N, 8, 8, 1], levels 0 to 16. Every fifth is a test image.

    `path` is data.path, for datasets that read files.
    """
    digits = load_digits()
    images: npt.NDArray[np.uint8] = digits.images[digits.target < 5].astype(np.uint8)[..., None]
    in_test = np.arange(len(images)) % 5 == 0
    chosen: npt.NDArray[np.uint8] = images[in_test if split == "test" else ~in_test]
    return chosen
