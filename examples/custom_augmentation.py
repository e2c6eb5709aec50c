"""A custom augmentation: each training image is made brighter or darker. See docs/custom.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def brightness(image: npt.NDArray[Any], generator: torch.Generator) -> npt.NDArray[Any]:
    """Multiply an image [H, W, C] of 256 levels by a random factor from 0.8 to 1.2."""
    factor = 0.8 + 0.4 * torch.rand((), generator=generator).item()
    return np.clip(np.round(image * factor), 0, 255).astype(image.dtype)
