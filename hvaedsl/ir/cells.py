"""The cells of the top-down pass: what their names are, and which parts each is made of. Torch-free.

A test holds this table against the modules of `hvaedsl.nn.cells`; `hvaedsl.ir.cell_texts` says what each computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, cast, get_args

from pydantic import AfterValidator

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.custom import is_custom

CellName = Literal["vdvae", "non_residual", "euler_maruyama", "nvae"]
CELL_NAMES: tuple[CellName, ...] = get_args(CellName)


class CellParts(Record, kw_only=True):
    """What stands beside a cell's posterior and prior.

    `entry` is the convolution through which z enters the state: `z_proj` reads z, `combiner` reads [x, z].
    """

    increment: bool  # the prior gives h beside p(z | x)
    entry: Literal["z_proj", "combiner"] | None
    resnet: bool
    state_is_latent: bool  # x' = z, so that both have as many channels
    published: bool  # openai/vdvae has names for its parameters

    @property
    def outgoing(self) -> tuple[str, ...]:
        """The parts that only the outgoing state trains; posterior and prior get a gradient from the rate."""
        entry = (self.entry,) if self.entry is not None else ()
        return (*entry, "resnet") if self.resnet else entry


def parts_of(cell: str) -> CellParts | None:
    """The parts of a cell by its name; None of one's own, whose parts are known once it is imported."""
    return None if is_custom(cell) else CELLS[cast(CellName, cell)]


def _known(cell: str) -> str:
    if cell not in CELL_NAMES and not is_custom(cell):
        raise ValueError(f"unknown cell `{cell}`")
    return cell


# One of the cells here, or one's own, `package.module:Name`.
CellReference = Annotated[str, AfterValidator(_known)]
_VDVAE = CellParts(increment=True, entry="z_proj", resnet=True, state_is_latent=False, published=True)

CELLS: Mapping[CellName, CellParts] = MappingProxyType(
    {
        "vdvae": _VDVAE,
        "non_residual": _VDVAE,
        "euler_maruyama": CellParts(increment=False, entry=None, resnet=False, state_is_latent=True, published=False),
        "nvae": CellParts(increment=False, entry="combiner", resnet=True, state_is_latent=False, published=False),
    }
)
