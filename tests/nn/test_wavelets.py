"""Wavelet pooling against PyWavelets' own transform, and its embedding against the inverse transform."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from hvaedsl.nn.resolution import (
    LOW_PASS,
    WaveletEmbedding,
    WaveletPool,
    average_pool,
    strided_pool,
    upsample_nearest,
    wavelet_analysis,
)

CASES = [
    ("haar", 2, 2),
    ("haar", 8, 4),
    ("haar", 12, 2),
    ("haar", 32, 32),
    ("db2", 2, 2),
    ("db2", 8, 2),
    ("db2", 32, 8),
]


@pytest.mark.parametrize(("wavelet", "resolution", "factor"), CASES)
def test_pooling_gives_the_approximation_coefficients(wavelet: str, resolution: int, factor: int) -> None:
    x = torch.randn(2, 3, resolution, resolution)
    expected = x.numpy()
    for _ in range(factor.bit_length() - 1):
        expected, _ = pywt.dwt2(expected, wavelet, mode="periodization", axes=(-2, -1))
    np.testing.assert_allclose(WaveletPool(wavelet, resolution, factor)(x).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("wavelet", "resolution", "factor"), CASES)
def test_the_embedding_is_the_inverse_transform_without_details(wavelet: str, resolution: int, factor: int) -> None:
    y = torch.randn(2, 3, resolution // factor, resolution // factor)
    expected = y.numpy()
    for _ in range(factor.bit_length() - 1):
        expected = pywt.idwt2((expected, (None, None, None)), wavelet, mode="periodization", axes=(-2, -1))
    made = WaveletEmbedding(wavelet, resolution, factor)(y)
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-12)
    torch.testing.assert_close(WaveletPool(wavelet, resolution, factor)(made), y, atol=1e-12, rtol=0)


def test_haar_is_the_average_times_the_factor() -> None:
    x = torch.randn(2, 3, 8, 8)
    pooled = WaveletPool("haar", 8, 4)(x)
    torch.testing.assert_close(pooled, 4 * average_pool(x, 4), atol=1e-12, rtol=0)
    projected = upsample_nearest(average_pool(x, 4), 4)
    torch.testing.assert_close(WaveletEmbedding("haar", 8, 4)(pooled), projected, atol=1e-12, rtol=0)


def test_strided_pooling_takes_the_first_value() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert strided_pool(x, 2).flatten().tolist() == [0, 2, 8, 10]
    with pytest.raises(ValueError, match="cannot pool 5x4 by 2"):
        strided_pool(torch.zeros(1, 1, 5, 4), 2)


@pytest.mark.parametrize(("resolution", "factor"), [(12, 3), (12, 8), (8, 1), (8, 0)])
def test_refuses_what_is_no_power_of_2_or_does_not_divide(resolution: int, factor: int) -> None:
    with pytest.raises(ValueError, match=f"not by {factor}"):
        WaveletPool("haar", resolution, factor)


def test_the_matrix_is_in_no_state_dict() -> None:
    assert WaveletPool("haar", 8, 2).state_dict() == {}
    assert WaveletEmbedding("db2", 8, 2).state_dict() == {}


@pytest.mark.parametrize("wavelet", sorted(LOW_PASS))
def test_filters_and_matrices_are_those_of_pywavelets_to_the_bit(wavelet: str) -> None:
    assert tuple(pywt.Wavelet(wavelet).dec_lo) == LOW_PASS[wavelet]
    for resolution in (2, 4, 6, 8, 12, 14, 28, 32, 64, 256):
        matrix, factor = np.eye(resolution), 2
        while resolution % factor == 0:
            matrix, _ = pywt.dwt(matrix, wavelet, mode="periodization", axis=0)
            assert np.array_equal(wavelet_analysis(wavelet, resolution, factor).numpy(), matrix)
            factor *= 2
