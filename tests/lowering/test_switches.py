"""Switches of the architecture in a whole model: state normalization, Fourier features, pooling, no skips."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import hvaedsl
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.fourier import fourier_features
from hvaedsl.nn.resolution import average_pool

BATCH = 3
SMALL = {"model.width": 8, "model.encoder": "8r2, 8d2, 4x2", "model.decoder": "4x1, 8m4, 8r2"}


def lowered(**sets: object) -> HierarchicalVAE:
    torch.manual_seed(0)
    return hvaedsl.load("digits.hvae", sets=SMALL | sets).module().double()


def fixed_noise(layer: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(layer))


def images(channels: int = 1) -> Tensor:
    return torch.randn(BATCH, 8, 8, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(99))


@pytest.mark.parametrize("norm", ["l2", "rms"])
@pytest.mark.parametrize("over", ["sample", "batch"])
def test_every_normalized_state_has_norm_1(over: str, norm: str) -> None:
    sets = {"model.normalize_state.norm": norm, "model.normalize_state.over": over}
    model = lowered(**sets, **{"train.passes": "none"})  # hooks see the cells
    entered: list[Tensor] = []
    for block in model.decoder.blocks.values():
        block.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    # Away from the zeros of its beginning the bias is a state like another.
    for bias in model.decoder.states.values():
        nn.init.normal_(bias)
    kept = model.encode(images())
    model(images(), torch.zeros(BATCH, 8, 8, 1, dtype=torch.float64), fixed_noise)
    assert len(entered) == 4
    for state in [*kept.values(), *entered]:
        flat = state.flatten(1) if over == "sample" else state.flatten()[None]
        size = flat.norm(dim=1) / (flat.shape[1] ** 0.5 if norm == "rms" else 1)
        torch.testing.assert_close(size, torch.ones_like(size), atol=1e-6, rtol=0)


def test_the_first_gradient_of_a_normalized_model_is_finite_and_of_ordinary_size() -> None:
    """The learned bias starts at 0, where a plain quotient has gradients of 1e12."""
    model = lowered(**{"model.normalize_state.norm": "l2"})
    assert all((bias == 0).all() for bias in model.decoder.states.values())
    model(images(), torch.zeros(BATCH, 8, 8, 1, dtype=torch.float64), fixed_noise).loss_nats_per_dim.backward()
    norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    assert norm.isfinite()
    assert norm < 1e3


def test_without_skips_the_image_reaches_the_decoder_through_the_bottleneck_alone() -> None:
    model = lowered(**{"model.skips": "none", "train.passes": "none"})  # hooks see the cells
    read: dict[int, list[Tensor]] = {}

    def consume(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read.setdefault(inputs[1].shape[-1], []).append(inputs[1])

    for block in model.decoder.blocks.values():
        block.register_forward_pre_hook(consume)
    latents = model.latents(images(), noise=fixed_noise)
    assert set(model.encode(images())) == {4}
    assert all((activation == 0).all() for activation in read[8])
    assert (read[4][0] != 0).any()
    # With the bottleneck's z held, nothing above depends on the image.
    held = [latents[0], *model.latents(images() + 1, noise=fixed_noise)[1:]]
    assert not torch.equal(held[1], latents[1])
    torch.manual_seed(0)
    with_skips = lowered()
    assert with_skips.state_dict().keys() == model.state_dict().keys()


def test_strided_pooling_takes_values_and_average_pooling_means() -> None:
    pooled: dict[str, Tensor] = {}
    before: list[Tensor] = []
    for pooling in ("average", "strided", "wavelet(haar)"):
        model = lowered(**{"model.pooling": pooling})
        pool = model.encoder.pools["r8_to_r4"]
        pool.register_forward_pre_hook(lambda _, inputs: before.append(inputs[0]))
        pool.register_forward_hook(lambda _, __, output, pooling=pooling: pooled.update({pooling: output}))
        model.encode(images())
    torch.testing.assert_close(pooled["average"], average_pool(before[0], 2))
    assert torch.equal(pooled["strided"], before[0][:, :, ::2, ::2])
    torch.testing.assert_close(pooled["wavelet(haar)"], 2 * pooled["average"])


def test_the_mix_in_of_a_wavelet_model_is_the_adjoint() -> None:
    model = lowered(**{"model.pooling": "wavelet(db2)"})
    pool, embed = model.encoder.pools["r8_to_r4"], model.decoder.embeddings["r4_to_r8"]
    x, y = torch.randn(2, 3, 8, 8, dtype=torch.float64), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close((pool(x) * y).sum(), (x * embed(y)).sum())


def test_the_stem_reads_the_features_of_the_image() -> None:
    model = lowered(**{"model.fourier.at": "image", "model.fourier.exponents": "0, 1"})
    assert model.encoder.stem.in_channels == 5
    with pytest.raises(ValueError, match=r"\[B, 8, 8, 5\] .the image and its Fourier features, n = \(0, 1\)"):
        model.encode(images())
    x = fourier_features(images().permute(0, 3, 1, 2), (0, 1)).permute(0, 2, 3, 1)
    assert model.encode(x)[8].shape == (BATCH, 8, 8, 8)


def test_features_of_a_bfloat16_model_are_computed_in_float32() -> None:
    model = lowered(**{"model.fourier.at": "block, branches"}).float()
    with torch.autocast("cpu", torch.bfloat16):
        out = model(images().float(), torch.zeros(BATCH, 8, 8, 1))
    assert out.loss_nats_per_dim.isfinite()
