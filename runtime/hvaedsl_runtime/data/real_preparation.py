"""Turn images of real values into the inputs of a model, and back: standardization by the training images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from hvaedsl_runtime.data.images import ImageSet
from hvaedsl_runtime.data.input_constants import InputConstants
from hvaedsl_runtime.data.reals import channel_statistics


class RealPreparation(InputConstants):
    """The constants that turn real values into x and target; saved in a checkpoint, like `Preparation`.

    x = target = (value - mean) / std, with a mean and a standard deviation for each channel of the training images.
    After the channels of x come sin(2^n pi x) and cos(2^n pi x) for each n of `image_features`. `shown` has the values
    of each channel that pictures show as black and as white, in the unit of the file.
    """

    values: Literal["real"] = "real"
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shown: tuple[tuple[float, float], ...]

    @property
    def needs_uniform(self) -> bool:
        """Whether each call needs uniform draws."""
        return False

    @property
    def unit_nats_per_dim(self) -> float:
        """What -log p of the values themselves has more than that of standardized values: the mean of ln std."""
        return math.fsum(map(math.log, self.std)) / len(self.std)

    def __call__(
        self,
        images: Tensor,
        *,
        uniform: Tensor | None = None,  # noqa: ARG002 - as of `Preparation`
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Prepare images [B, H, W, C] of `tensor`: (x, target), both [B, H, W, C] of `dtype`, on the images' device.

        With Fourier features, x is [B, H, W, C * (1 + 2 * len(image_features))]. Nothing is drawn from `uniform`.
        Computed in float32 or wider.
        """
        values = images.to(torch.promote_types(dtype, torch.float32))
        standard = (values - values.new_tensor(self.mean)) / values.new_tensor(self.std)
        return self.with_features(standard, standard).to(dtype), standard.to(dtype)

    def file_values(self, targets: Tensor) -> Tensor:
        """The values of targets or samples [N, H, W, C] in the unit of the file, float32 on the CPU."""
        found = targets.to("cpu", torch.promote_types(targets.dtype, torch.float32))
        return (found * found.new_tensor(self.std) + found.new_tensor(self.mean)).float()

    def file_samples(self, samples: Tensor) -> Tensor:
        """Samples of the likelihood in the unit of the file, float32 on the CPU."""
        return self.file_values(samples)

    def shown_ranges(self, channels: Sequence[int]) -> list[tuple[float, float]]:
        """The values that pictures show as black and as white, in the unit of the file, for each of these channels."""
        return [self.shown[channel] for channel in channels]


def real_preparation(train: ImageSet, image_features: tuple[int, ...] = ()) -> RealPreparation:
    """Make the preparation of real values, in a pass over the training images.

    Raises InvalidData for a channel that has only one value.
    """
    mean, std, shown = channel_statistics(train)
    return RealPreparation(mean=mean, std=std, shown=shown, image_features=image_features)
