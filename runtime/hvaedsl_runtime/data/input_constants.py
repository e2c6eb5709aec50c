"""What the preparations of levels and of real values share: how they are stored, division, Fourier features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from hvaedsl.nn.fourier import fourier_features
from hvaedsl_runtime.data.images import Values
from hvaedsl_runtime.disk.state_parts import log_unknown


class InputConstants(BaseModel):
    """Constants that turn images into x and target; saved in a checkpoint, so evaluation needs no training images.

    `image_features` are the exponents n of the Fourier features that x has after its channels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_features: tuple[int, ...] = ()

    @staticmethod
    def tensor(images: Values) -> Tensor:
        """Turn images into a tensor of their type; uint16, with which torch computes little, into int32."""
        return torch.from_numpy(images.astype(np.int32) if images.dtype == np.uint16 else images)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return self.model_dump()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The constants that `to_dict` described; unknown fields are logged.

        Raises ValueError (pydantic's) for missing or ill-typed fields.
        """
        log_unknown(fields, cls.model_fields, "preparation")
        return cls.model_validate({name: value for name, value in fields.items() if name in cls.model_fields})

    def with_features(self, x: Tensor, image: Tensor) -> Tensor:
        """Append sin(2^n pi u) and cos(2^n pi u) of the image u [B, H, W, C] to the channels of x."""
        if not self.image_features:
            return x
        features = fourier_features(image.permute(0, 3, 1, 2), self.image_features)[:, image.shape[-1] :]
        return torch.cat((x, features.permute(0, 2, 3, 1)), dim=-1)


def exact_quotient(values: Tensor, divisor: float) -> Tensor:
    """Divide, correctly rounded on every device; dividing by a Python number, a GPU multiplies by the reciprocal."""
    return values / torch.full((), divisor, dtype=values.dtype, device=values.device)
