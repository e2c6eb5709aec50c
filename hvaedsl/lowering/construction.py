"""The modules that a plan asks for, freshly initialised."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from hvaedsl.ir.cells import CellName
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.lowering.plan import BlockModule, Plan, Resampling
from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.cells import Cell, EulerMaruyamaCell, NonResidualCell, NVAECell, VDVAECell
from hvaedsl.nn.fourier import CellFeatures
from hvaedsl.nn.likelihoods import Bernoulli, Likelihood, MixtureOfLogistics
from hvaedsl.nn.resolution import AveragePool, NearestEmbedding, StridedPool, WaveletEmbedding, WaveletPool

CELLS: Mapping[CellName, type[Cell]] = {
    "vdvae": VDVAECell,
    "non_residual": NonResidualCell,
    "euler_maruyama": EulerMaruyamaCell,
    "nvae": NVAECell,
}


def pool_module(pool: Resampling) -> nn.Module:
    factor = pool.fine // pool.coarse
    if pool.method == "average":
        return AveragePool(factor)
    wavelet = wavelet_of(pool.method)
    return StridedPool(factor) if wavelet is None else WaveletPool(wavelet, pool.fine, factor)


def embedding_module(embedding: Resampling) -> nn.Module:
    factor, wavelet = embedding.fine // embedding.coarse, wavelet_of(embedding.method)
    return NearestEmbedding(factor) if wavelet is None else WaveletEmbedding(wavelet, embedding.fine, factor)


def residual_block(block: BlockModule, plan: Plan) -> Bottleneck:
    made = Bottleneck(
        block.channels, block.mid, block.channels, block.kernel, residual=True, features=block.block_features
    )
    made.scale_last_(math.sqrt(1 / plan.encoder_applications))
    return made


def top_down_block(block: BlockModule, plan: Plan) -> Cell:
    assert block.latent is not None
    assert block.cell is not None
    features = CellFeatures(block.branch_features, block.z_features, block.block_features)
    made = CELLS[block.cell](block.channels, block.mid, block.latent, block.kernel, features)
    made.scale_for_depth_(len(plan.decoder_steps))
    return made


def likelihood_module(plan: Plan) -> Likelihood:
    if plan.likelihood.name == "bernoulli":
        return Bernoulli(plan.width)
    return MixtureOfLogistics(
        plan.width,
        channels=plan.image_channels,
        mixtures=plan.likelihood.mixtures,
        levels=plan.levels,
        bits=plan.likelihood.bits,
    )
