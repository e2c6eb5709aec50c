"""The cells of the top-down pass: how posterior, prior and latent move the residual state."""

from __future__ import annotations

from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.cells.deterministic import DeterministicBlock
from hvaedsl.nn.cells.euler_maruyama import EulerMaruyamaCell
from hvaedsl.nn.cells.non_residual import NonResidualCell
from hvaedsl.nn.cells.nvae import NVAECell, NVAEDeterministicBlock
from hvaedsl.nn.cells.vdvae import VDVAECell, VDVAEDeterministicBlock

__all__ = [
    "Cell",
    "DeterministicBlock",
    "EulerMaruyamaCell",
    "NVAECell",
    "NVAEDeterministicBlock",
    "NonResidualCell",
    "VDVAECell",
    "VDVAEDeterministicBlock",
]
