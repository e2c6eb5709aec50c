"""The cells of the top-down pass: how posterior, prior and latent move the residual state."""

from __future__ import annotations

from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.cells.euler_maruyama import EulerMaruyamaCell
from hvaedsl.nn.cells.non_residual import NonResidualCell
from hvaedsl.nn.cells.nvae import NVAECell
from hvaedsl.nn.cells.vdvae import VDVAECell

__all__ = ["Cell", "EulerMaruyamaCell", "NVAECell", "NonResidualCell", "VDVAECell"]
