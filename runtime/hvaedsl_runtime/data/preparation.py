"""Turn images of levels into the inputs of a model: the normalized images and the likelihood's targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.spec import Binarize, DataSpec
from hvaedsl.nn.fourier import fourier_features
from hvaedsl_runtime.data.images import ImageSet, Pixels
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS
from hvaedsl_runtime.disk.state_parts import log_unknown


class Preparation(BaseModel):
    """The constants that turn images into x and target; saved in a checkpoint, so evaluation needs no training images.

    x = (pixel + shift) * scale, with pixel a level from 0 to levels - 1, or 0 or 1 if images are binarized. After its
    channels come sin(2^n pi u) and cos(2^n pi u) for each n of `image_features`, with u the image scaled to [-1, 1].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shift: float
    scale: float
    levels: int
    binarize: Binarize
    bits: int | None
    image_features: tuple[int, ...] = ()

    @property
    def needs_uniform(self) -> bool:
        """Whether each call needs uniform draws."""
        return self.binarize == "dynamic"

    @staticmethod
    def tensor(images: Pixels) -> Tensor:
        """Turn levels into a tensor: uint8, or int32 for uint16, with which torch computes little."""
        return torch.from_numpy(images if images.dtype == np.uint8 else images.astype(np.int32))

    def __call__(
        self, images: Tensor, *, uniform: Tensor | None = None, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        """Prepare images [B, H, W, C] of `tensor`: (x, target), both [B, H, W, C] of `dtype`, on the images' device.

        With Fourier features, x is [B, H, W, C * (1 + 2 * len(image_features))].

        The target is 2k / (levels - 1) - 1 for level k, or the binarized image, in {0, 1}: `threshold` maps gray values
        above one half to 1; `dynamic` draws 1 with the gray value as probability, from `uniform` in [0, 1), which has
        the images' shape. With bits = 5, the target is that of 8 * floor(pixel / 8), while x keeps every bit
        (openai/vdvae, FFHQ-256). Computed in float32 or wider.
        Raises ValueError if dynamic binarization gets no uniform draws, or draws of another shape.
        """
        work = torch.promote_types(dtype, torch.float32)
        if self.binarize != "none":
            binary = self._binarized(images, uniform).to(work)
            x = (binary + self.shift) * self.scale
            return self._with_features(x, 2 * binary - 1).to(dtype), binary.to(dtype)

        pixels = images.to(work)
        quantized = images if self.bits is None else images.bitwise_right_shift(8 - self.bits) * 2 ** (8 - self.bits)
        half = (self.levels - 1) / 2
        target = _exact_quotient(quantized.to(work) - half, half)
        x = self._with_features((pixels + self.shift) * self.scale, _exact_quotient(pixels - half, half))
        return x.to(dtype), target.to(dtype)

    def _with_features(self, x: Tensor, image: Tensor) -> Tensor:
        """Append the features of `image` [B, H, W, C], in [-1, 1], to the channels of x."""
        if not self.image_features:
            return x
        features = fourier_features(image.permute(0, 3, 1, 2), self.image_features)[:, image.shape[-1] :]
        return torch.cat((x, features.permute(0, 2, 3, 1)), dim=-1)

    def _binarized(self, images: Tensor, uniform: Tensor | None) -> Tensor:
        """Binarize images, bool [B, H, W, C]."""
        if self.binarize == "threshold":
            return images.to(torch.int32) * 2 > self.levels - 1
        if uniform is None:
            raise ValueError("dynamic binarization needs uniform draws of the images' shape")
        if uniform.shape != images.shape:
            raise ValueError(f"uniform draws have shape {list(uniform.shape)}, the images {list(images.shape)}")
        probability = _exact_quotient(images.to(torch.promote_types(uniform.dtype, torch.float32)), self.levels - 1)
        return uniform < probability

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return self.model_dump()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The preparation that `to_dict` described; unknown fields are logged.

        Raises ValueError (pydantic's) for missing or ill-typed fields.
        """
        log_unknown(fields, cls.model_fields, "preparation")
        return cls.model_validate({name: value for name, value in fields.items() if name in cls.model_fields})


def preparation(
    data: DataSpec, likelihood: Likelihood, train: ImageSet, *, image_features: tuple[int, ...] = ()
) -> Preparation:
    """Make the preparation of a dataset, with its published shift and scale or those of the training images.

    The latter are one mean and one standard deviation over all training images, pixels and channels, after binarization
    if there is any (dynamic: mean E[p], variance E[p] (1 - E[p])). They take a pass over the training images, or, for a
    prepared dataset, over the held-out images: its manifest has the level counts of all images.
    Raises ValueError if `train` is another split, or if the likelihood does not fit the binarization.
    """
    if train.split != "train":
        raise ValueError(f"the split is {train.split}; shift and scale must be computed from train")
    _check_target(data, likelihood)
    published = published_preparation(data, likelihood, data.dataset, image_features=image_features)
    if published is not None:
        return published

    mean, std = mean_and_std(train.counted_levels(), data.binarize)
    shift, scale = -mean, 1 / std if std > 0 else 1.0
    return Preparation(
        shift=shift,
        scale=scale,
        levels=data.levels,
        binarize=data.binarize,
        bits=likelihood.bits,
        image_features=image_features,
    )


def published_preparation(
    data: DataSpec, likelihood: Likelihood, dataset: str, *, image_features: tuple[int, ...] = ()
) -> Preparation | None:
    """Make the preparation with the published shift and scale of `dataset`; reads no image.

    `data` may be another dataset, such as `npy`, with the same images. Returns None if `dataset` has no such constants,
    or if they do not apply: to binarized images, or to another number of levels. Raises ValueError if the likelihood
    does not fit the binarization.
    """
    _check_target(data, likelihood)
    constants = DATASETS.get(dataset)
    if data.binarize != "none" or constants is None or constants.shift is None or constants.scale is None:
        return None
    if data.levels != constants.levels:
        return None

    return Preparation(
        shift=constants.shift,
        scale=constants.scale,
        levels=data.levels,
        binarize=data.binarize,
        bits=likelihood.bits,
        image_features=image_features,
    )


def _check_target(data: DataSpec, likelihood: Likelihood) -> None:
    if likelihood.name != "custom" and (likelihood.name == "bernoulli") != (data.binarize != "none"):
        raise ValueError(f"the likelihood is {likelihood}; it cannot be used with data.binarize = {data.binarize}")
    if likelihood.bits is not None and data.levels != EIGHT_BIT_LEVELS:
        raise ValueError(
            f"bits is {likelihood.bits}; it needs images of {EIGHT_BIT_LEVELS} levels, and data.levels is {data.levels}"
        )


def mean_and_std(counts: npt.NDArray[np.int64], binarize: Binarize = "none") -> tuple[float, float]:
    """Return mean and standard deviation of all values, from the counts of each level, int64 [levels].

    Exact, and independent of the order of the images.
    """
    frequencies = counts / counts.sum()
    levels = np.arange(len(counts))
    if binarize == "none":
        mean = float(frequencies @ levels)
        return mean, math.sqrt(float(frequencies @ (levels - mean) ** 2))

    # The mean and standard deviation of a Bernoulli variable, whose mean is the frequency of 1.
    ones = levels / (len(counts) - 1) if binarize == "dynamic" else 2 * levels > len(counts) - 1
    mean = float(frequencies @ ones)
    return mean, math.sqrt(mean * (1 - mean))


def _exact_quotient(values: Tensor, divisor: float) -> Tensor:
    """Divide, correctly rounded on every device; dividing by a Python number, a GPU multiplies by the reciprocal."""
    return values / torch.full((), divisor, dtype=values.dtype, device=values.device)
