"""Changes of resolution and of width: pooling, its embedding, channel padding, the mix-in of a coarser state."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The low-pass analysis filters of the wavelets: PyWavelets' dec_lo.
LOW_PASS: dict[str, tuple[float, ...]] = {
    "haar": (0.7071067811865476, 0.7071067811865476),
    "db2": (-0.12940952255126037, 0.2241438680420134, 0.8365163037378079, 0.48296291314453416),
}


def average_pool(x: Tensor, factor: int) -> Tensor:
    """[B, C, H, W] -> [B, C, H / factor, W / factor]: the mean of every factor x factor patch.

    Raises ValueError if `factor` does not divide H and W.
    """
    _check_divides(x, factor)
    return F.avg_pool2d(x, factor)


def strided_pool(x: Tensor, factor: int) -> Tensor:
    """[B, C, H, W] -> [B, C, H / factor, W / factor]: the first value of every factor x factor patch.

    Raises ValueError if `factor` does not divide H and W.
    """
    _check_divides(x, factor)
    return x[:, :, ::factor, ::factor]


def upsample_nearest(x: Tensor, factor: int) -> Tensor:
    """[B, C, H, W] -> [B, C, H * factor, W * factor]: every value repeated over a factor x factor patch."""
    return F.interpolate(x, scale_factor=factor, mode="nearest")


class AveragePool(nn.Module):
    """`average_pool` by a fixed factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H / factor, W / factor]."""
        return average_pool(x, self.factor)


class StridedPool(nn.Module):
    """`strided_pool` by a fixed factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H / factor, W / factor]."""
        return strided_pool(x, self.factor)


class NearestEmbedding(nn.Module):
    """`upsample_nearest` by a fixed factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H * factor, W * factor]."""
        return upsample_nearest(x, self.factor)


class WaveletPool(nn.Module):
    """The approximation coefficients of an orthonormal wavelet, along both axes and with periodic ends.

    `factor` is 2^J for J levels. Haar's are factor times the mean of every patch (Falck, Williams et al. 2022,
    Theorem 2). The matrix of the transform is no parameter and in no state dict. A state that is not square has another
    one for its rows, whose length is `columns`. Raises ValueError for another factor, or one that does not divide the
    resolution.
    """

    analysis: Tensor  # [resolution / factor, resolution], orthonormal rows
    analysis_of_rows: Tensor  # [columns / factor, columns]

    def __init__(self, wavelet: str, resolution: int, factor: int, columns: int | None = None) -> None:
        super().__init__()
        for name, size in (("analysis", resolution), ("analysis_of_rows", columns or resolution)):
            self.register_buffer(name, wavelet_analysis(wavelet, size, factor), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H / factor, W / factor]."""
        return _on_both_axes(x, self.analysis, self.analysis_of_rows)


class WaveletEmbedding(nn.Module):
    """The adjoint of `WaveletPool`: the inverse transform with all details zero.

    `resolution` and `columns` are those of its result.
    """

    synthesis: Tensor  # [resolution, resolution / factor]
    synthesis_of_rows: Tensor  # [columns, columns / factor]

    def __init__(self, wavelet: str, resolution: int, factor: int, columns: int | None = None) -> None:
        super().__init__()
        for name, size in (("synthesis", resolution), ("synthesis_of_rows", columns or resolution)):
            matrix = wavelet_analysis(wavelet, size, factor).mT.contiguous()
            self.register_buffer(name, matrix, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H * factor, W * factor]."""
        return _on_both_axes(x, self.synthesis, self.synthesis_of_rows)


def wavelet_analysis(wavelet: str, resolution: int, factor: int) -> Tensor:
    """The matrix of the approximation coefficients, float64 [resolution / factor, resolution], with orthonormal rows.

    The ends are periodic, as under PyWavelets' mode `periodization`. Raises ValueError for a factor that is not a power
    of 2 above 1, or does not divide the resolution.
    """
    if factor < 2 or factor & (factor - 1) or resolution % factor:
        raise ValueError(f"a wavelet goes from {resolution} by powers of 2 that divide it, not by {factor}")
    taps = LOW_PASS[wavelet]
    matrix = torch.eye(resolution, dtype=torch.float64, device="cpu")
    while factor > 1:
        size = len(matrix)
        rows = 2 * torch.arange(size // 2, device="cpu") + len(taps) // 2
        coarser = torch.zeros(size // 2, resolution, dtype=torch.float64, device="cpu")
        for place, tap in enumerate(taps):
            coarser += tap * matrix[(rows - place) % size]
        matrix = coarser
        factor //= 2
    return matrix


def pad_channels(x: Tensor, channels: int) -> Tensor:
    """[B, C, H, W] -> [B, channels, H, W], the new channels zero (openai/vdvae).

    Raises ValueError if it would cut.
    """
    missing = channels - x.shape[1]
    if missing < 0:
        raise ValueError(f"cannot pad {x.shape[1]} channels to {channels}: channels are never cut")
    return F.pad(x, (0, 0, 0, 0, 0, missing))


def mix_in(state: Tensor, source: Tensor, embedding: nn.Module) -> Tensor:
    """The state [B, C, H, W] plus the source [B, C', H', W'], cut to the first C channels and embedded at H x W.

    The `m` of a block string (Falck, Williams et al. 2022, Table G.6). Raises ValueError if C' < C.
    """
    channels = state.shape[1]
    if source.shape[1] < channels:
        raise ValueError(f"cannot mix {source.shape[1]} channels into a state of {channels}: the source is narrower")
    return state + cast(Tensor, embedding(source[:, :channels]))


def _on_both_axes(x: Tensor, of_columns: Tensor, of_rows: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, M, N]: a matrix [M, H] applied to all columns, and a matrix [N, W] to all rows."""
    return F.linear(F.linear(x, of_rows.to(x.dtype)).mT, of_columns.to(x.dtype)).mT


def _check_divides(x: Tensor, factor: int) -> None:
    height, width = x.shape[2:]
    if height % factor or width % factor:
        raise ValueError(f"cannot pool {height}x{width} by {factor}: it does not divide the resolution")
