"""Turn images of levels into the inputs of a model: the normalized images and the likelihood's targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.spec import Binarize, DataSpec, Spec
from hvaedsl_runtime.data.images import ImageSet
from hvaedsl_runtime.data.input_constants import InputConstants, exact_quotient
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS
from hvaedsl_runtime.data.real_preparation import RealPreparation, real_preparation
from hvaedsl_runtime.data.reals import SHOWN_QUANTILES


class Preparation(InputConstants):
    """The constants that turn images of levels into x and target.

    x = (pixel + shift) * scale, with pixel a level from 0 to levels - 1, or 0 or 1 if images are binarized. After its
    channels come sin(2^n pi u) and cos(2^n pi u) for each n of `image_features`, with u the image scaled to [-1, 1].
    `shown` are the levels that pictures show as black and as white, if not the lowest and the highest.
    """

    shift: float
    scale: float
    levels: int
    binarize: Binarize
    bits: int | None
    shown: tuple[float, float] | None = None

    @property
    def needs_uniform(self) -> bool:
        """Whether each call needs uniform draws."""
        return self.binarize == "dynamic"

    @property
    def unit_nats_per_dim(self) -> float:
        """What is added to -log p in reports: nothing, since the mass of a level has no unit."""
        return 0.0

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
            return self.with_features(x, 2 * binary - 1).to(dtype), binary.to(dtype)

        pixels = images.to(work)
        quantized = images if self.bits is None else images.bitwise_right_shift(8 - self.bits) * 2 ** (8 - self.bits)
        half = (self.levels - 1) / 2
        target = exact_quotient(quantized.to(work) - half, half)
        x = self.with_features((pixels + self.shift) * self.scale, exact_quotient(pixels - half, half))
        return x.to(dtype), target.to(dtype)

    def _binarized(self, images: Tensor, uniform: Tensor | None) -> Tensor:
        """Binarize images, bool [B, H, W, C]."""
        if self.binarize == "threshold":
            return images.to(torch.int32) * 2 > self.levels - 1
        if uniform is None:
            raise ValueError("dynamic binarization needs uniform draws of the images' shape")
        if uniform.shape != images.shape:
            raise ValueError(f"uniform draws have shape {list(uniform.shape)}, the images {list(images.shape)}")
        probability = exact_quotient(images.to(torch.promote_types(uniform.dtype, torch.float32)), self.levels - 1)
        return uniform < probability

    def file_values(self, targets: Tensor) -> Tensor:
        """Targets [N, H, W, C] that are not binarized as levels, not rounded, float32 or wider on the CPU."""
        found = targets.to("cpu", torch.promote_types(targets.dtype, torch.float32))
        return (found + 1) / 2 * (self.levels - 1)

    def file_samples(self, samples: Tensor) -> Tensor:
        """Samples as they are: the likelihood draws levels."""
        return samples

    def shown_ranges(self, channels: Sequence[int]) -> list[tuple[float, float]] | None:
        """The levels that pictures show as black and as white, for each of these channels; None for all levels."""
        return None if self.shown is None else [self.shown] * len(channels)


AnyPreparation = Preparation | RealPreparation


def preparation_of(spec: Spec, train: ImageSet) -> AnyPreparation:
    """Make the preparation of a spec's images, levels or real values, in a pass over its training images at most.

    Raises ValueError as `preparation` does, InvalidData as `real_preparation` does.
    """
    features = spec.model.fourier.exponents_at("image")
    if spec.data.is_real:
        return real_preparation(train, features)
    return preparation(spec.data, spec.model.likelihood, train, image_features=features)


def preparation_from(fields: Mapping[str, Any]) -> AnyPreparation:
    """The preparation that `to_dict` described. Raises ValueError (pydantic's) for missing or ill-typed fields."""
    return RealPreparation.from_dict(fields) if "values" in fields else Preparation.from_dict(fields)


def preparation(
    data: DataSpec, likelihood: Likelihood, train: ImageSet, *, image_features: tuple[int, ...] = ()
) -> Preparation:
    """Make the preparation of levels, with the published shift and scale of a dataset or those of the training images.

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

    counts = train.counted_levels()
    mean, std = mean_and_std(counts, data.binarize)
    shift, scale = -mean, 1 / std if std > 0 else 1.0
    return Preparation(
        shift=shift,
        scale=scale,
        levels=data.levels,
        binarize=data.binarize,
        bits=likelihood.bits,
        shown=shown_levels(counts) if data.binarize == "none" and data.levels > EIGHT_BIT_LEVELS else None,
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
    if data.levels != constants.levels:  # real values have none
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


def shown_levels(counts: npt.NDArray[np.int64]) -> tuple[float, float] | None:
    """The levels that pictures show as black and as white, from the counts of each level; None if they are equal."""
    shares = np.cumsum(counts) / counts.sum()
    black, white = (int(np.searchsorted(shares, quantile)) for quantile in SHOWN_QUANTILES)
    return (float(black), float(white)) if black < white else None


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
