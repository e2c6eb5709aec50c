from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hvaedsl_runtime.data import histogram_baseline_bits_per_dim, images, open_split


def test_against_a_slow_independent_computation(
    make_set: Any, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "VALUES_PER_CHUNK", 100)  # several chunks
    train, test = make_images(30, 3, 3, levels=5), make_images(11, 3, 3, levels=5, seed=1)
    bits = []
    for image in test:
        for place, value in np.ndenumerate(image):
            seen = sum(int(other[place] == value) for other in train)
            bits.append(-math.log2((seen + 1) / (30 + 5)))
    result = histogram_baseline_bits_per_dim(make_set(train, levels=5), make_set(test, levels=5, split="test"))
    assert result == pytest.approx(sum(bits) / len(bits), rel=1e-12)


def test_the_digits_baseline(make_spec: Any) -> None:
    train, test = open_split(make_spec(), "train"), open_split(make_spec(), "test")
    assert histogram_baseline_bits_per_dim(train, test) == pytest.approx(2.42, abs=0.02)


def test_sets_of_different_shape_or_levels_are_refused(make_set: Any, make_images: Any) -> None:
    pixels = make_images(3, levels=4)
    with pytest.raises(ValueError, match="levels"):
        histogram_baseline_bits_per_dim(make_set(pixels, levels=4), make_set(pixels, levels=5))
    with pytest.raises(ValueError, match="the test images"):
        histogram_baseline_bits_per_dim(make_set(pixels), make_set(make_images(3, 4)))
