from __future__ import annotations

import pytest
import torch

from hvaedsl.nn.resolution import NearestEmbedding, average_pool, mix_in, pad_channels, upsample_nearest


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6, 12])
def test_pooling_takes_the_mean_of_every_patch(factor: int) -> None:
    x = torch.randn(2, 3, 12, 24)
    pooled = average_pool(x, factor)
    assert pooled.shape == (2, 3, 12 // factor, 24 // factor)
    for row in range(12 // factor):
        for column in range(24 // factor):
            patch = x[:, :, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            torch.testing.assert_close(pooled[:, :, row, column], patch.mean(dim=(2, 3)))


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 7, 8, 28])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_upsampling_repeats_exactly(factor: int, size: int) -> None:
    x = torch.randn(2, 3, size, size)
    expected = x.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    assert torch.equal(upsample_nearest(x, factor), expected)


def test_upsampling_is_the_adjoint_of_pooling_times_the_patch() -> None:
    x, y = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 2, 2)
    torch.testing.assert_close((average_pool(x, 4) * y).sum() * 16, (x * upsample_nearest(y, 4)).sum())


def test_padding_appends_zero_channels() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float32)
    padded = pad_channels(x, 7)
    assert padded.dtype == torch.float32
    assert torch.equal(padded[:, :3], x)
    assert torch.equal(padded[:, 3:], torch.zeros(2, 4, 4, 5, dtype=torch.float32))
    assert torch.equal(pad_channels(x, 3), x)


def test_mix_in_cuts_the_source_to_the_states_channels() -> None:
    state, source = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 2, 2)
    mixed = mix_in(state, source, NearestEmbedding(2))
    for row in range(4):
        for column in range(4):
            expected = state[:, :, row, column] + source[:, :3, row // 2, column // 2]
            assert torch.equal(mixed[:, :, row, column], expected)


def test_refuses_what_would_lose_or_broadcast() -> None:
    with pytest.raises(ValueError, match="cannot pool 5x4 by 2"):
        average_pool(torch.zeros(1, 1, 5, 4), 2)
    with pytest.raises(ValueError, match="cannot pad 3 channels to 2"):
        pad_channels(torch.zeros(1, 3, 2, 2), 2)
    with pytest.raises(ValueError, match="cannot mix 1 channels into a state of 3"):
        mix_in(torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 1, 1), NearestEmbedding(2))
