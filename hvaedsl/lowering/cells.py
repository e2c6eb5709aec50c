"""Where the cells' modules are, for source that names them."""

CELL_CLASSES = {
    "vdvae": "hvaedsl.nn.cells.vdvae:VDVAECell",
    "non_residual": "hvaedsl.nn.cells.non_residual:NonResidualCell",
    "euler_maruyama": "hvaedsl.nn.cells.euler_maruyama:EulerMaruyamaCell",
    "nvae": "hvaedsl.nn.cells.nvae:NVAECell",
}
