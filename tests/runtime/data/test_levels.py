"""The types of arrays of levels, and the shades that pictures and files show them as."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl_runtime.data.file_images import shades_of_levels
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS, SIXTEEN_BIT_LEVELS, dtype_name, dtype_of
from hvaedsl_runtime.evaluate.pictures import samples_for_display, shades


@pytest.mark.parametrize(("levels", "name"), [(2, "uint8"), (256, "uint8"), (257, "uint16"), (65_536, "uint16")])
def test_the_type_holds_all_levels_and_no_smaller_one_does(levels: int, name: str) -> None:
    assert dtype_name(levels) == name
    assert dtype_of(levels) == name
    assert levels - 1 <= np.iinfo(dtype_of(levels)).max
    assert (np.iinfo(np.uint8).max, np.iinfo(np.uint16).max) == (EIGHT_BIT_LEVELS - 1, SIXTEEN_BIT_LEVELS - 1)


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 100, 255, 256])
def test_pictures_and_files_have_the_same_shades(levels: int) -> None:
    spec = hvaedsl.loads(
        f'hvae 1\ndata {{ dataset = npy  path = "a"  channels = 1  resolution = 8  levels = {levels} }}\n'
        "model { width = 8  latent = 2  encoder = 8x1, 8d2, 4x1  decoder = 4x1, 8m4, 8x1 }\n"
    ).spec
    samples = torch.arange(levels, dtype=torch.uint8).reshape(1, 1, levels, 1)
    shown = shades(samples_for_display(samples, spec)).flatten()
    np.testing.assert_array_equal(shown.numpy(), shades_of_levels(levels))
