"""The matrix of a wavelet for an emitted file, which has no PyWavelets: the filter's taps and the transform."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.lowering.python.library import Edit, Module, edited

# PyWavelets' dec_lo. A test holds them against it, and the matrices too.
TAPS: dict[str, tuple[float, ...]] = {
    "haar": (0.7071067811865476, 0.7071067811865476),
    "db2": (-0.12940952255126037, 0.2241438680420134, 0.8365163037378079, 0.48296291314453416),
}

ANALYSIS = '''# The low-pass filters of PyWavelets.
TAPS = {taps}


def wavelet_analysis(wavelet: str, resolution: int, factor: int) -> Tensor:
    """The matrix of the approximation coefficients, float64 [resolution / factor, resolution], with orthonormal rows.

    The ends are periodic.
    """
    taps = TAPS[wavelet]
    matrix = torch.eye(resolution, dtype=torch.float64)
    while factor > 1:
        size = len(matrix)
        coarser = torch.zeros(size // 2, resolution, dtype=torch.float64)
        for index in range(size // 2):
            for place, tap in enumerate(taps):
                coarser[index] += tap * matrix[(2 * index + len(taps) // 2 - place) % size]
        matrix = coarser
        factor //= 2
    return matrix
'''


def with_own_wavelets(text: str, names: Sequence[str]) -> str:
    """The text of `hvaedsl.nn.resolution`, whose matrices are made without PyWavelets."""
    module = Module("", text)
    taps = "{" + ", ".join(f'"{name}": {TAPS[name]}' for name in names) + "}"
    start, end = module.whole_lines(module.definitions["wavelet_analysis"])
    return edited(module, 0, len(text), [Edit(start, end, ANALYSIS.format(taps=taps))])
