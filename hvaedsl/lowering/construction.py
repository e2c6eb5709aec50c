"""The modules that a plan asks for, freshly initialised."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.lowering.plan import BlockModule, Plan, Resampling
from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.cells import Cell, EulerMaruyamaCell, NonResidualCell, NVAECell, VDVAECell
from hvaedsl.nn.fourier import CellFeatures
from hvaedsl.nn.likelihoods import Bernoulli, MixtureOfLogistics
from hvaedsl.nn.resolution import AveragePool, NearestEmbedding, StridedPool, WaveletEmbedding, WaveletPool

CustomClasses = Mapping[str, type[nn.Module]]

CELLS: Mapping[str, type[Cell]] = {
    "vdvae": VDVAECell,
    "non_residual": NonResidualCell,
    "euler_maruyama": EulerMaruyamaCell,
    "nvae": NVAECell,
}


def pool_module(pool: Resampling) -> nn.Module:
    """A pooling."""
    factor = pool.factor
    if pool.method == "average":
        return AveragePool(factor)
    wavelet = wavelet_of(pool.method)
    return StridedPool(factor) if wavelet is None else WaveletPool(wavelet, pool.fine, factor)


def embedding_module(embedding: Resampling) -> nn.Module:
    """What brings a coarser state to a finer resolution in a mix-in."""
    factor, wavelet = embedding.factor, wavelet_of(embedding.method)
    return NearestEmbedding(factor) if wavelet is None else WaveletEmbedding(wavelet, embedding.fine, factor)


def residual_block(block: BlockModule, plan: Plan) -> Bottleneck:
    """A block of the encoder, its last convolution scaled for the depth."""
    made = Bottleneck(
        block.channels, block.mid, block.channels, block.kernel, residual=True, features=block.block_features
    )
    made.scale_last_(math.sqrt(1 / plan.encoder_applications))
    return made


def top_down_block(block: BlockModule, plan: Plan, own: CustomClasses) -> nn.Module:
    """A cell, its weights scaled for the depth; one's own from the class that `own` holds."""
    assert block.latent is not None
    assert block.cell is not None
    features = CellFeatures(block.branch_features, block.z_features, block.block_features)
    if block.cell in own:
        shape = (block.channels, block.mid, block.latent, block.kernel)
        return custom_cell(own[block.cell], shape, features, applications=len(plan.decoder_steps))
    made = CELLS[block.cell](block.channels, block.mid, block.latent, block.kernel, features)
    made.scale_for_depth_(len(plan.decoder_steps))
    return made


def custom_cell(
    kind: type[nn.Module], shape: tuple[int, int, int, int], features: CellFeatures, *, applications: int
) -> nn.Module:
    """One's own cell, called with (channels, mid channels, latent, kernel), and `features` where there are some.

    It is scaled for the depth where it has a method for that.
    """
    made = kind(*shape, features) if any(features) else kind(*shape)
    scale = getattr(made, "scale_for_depth_", None)
    if scale is not None:
        scale(applications)
    return made


def custom_likelihood(kind: type[nn.Module], width: int, channels: int, levels: int) -> nn.Module:
    """One's own likelihood, called with the width of the state, the image's channels and its levels."""
    return kind(width, channels, levels)


def likelihood_module(plan: Plan, own: CustomClasses) -> nn.Module:
    """The head; one's own from the class that `own` holds."""
    if plan.likelihood.reference is not None:
        return custom_likelihood(own[plan.likelihood.reference], plan.width, plan.image_channels, plan.levels)
    if plan.likelihood.name == "bernoulli":
        return Bernoulli(plan.width)
    return MixtureOfLogistics(
        plan.width,
        channels=plan.image_channels,
        mixtures=plan.likelihood.mixtures,
        levels=plan.levels,
        bits=plan.likelihood.bits,
    )
