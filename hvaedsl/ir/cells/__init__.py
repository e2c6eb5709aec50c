"""The cells of the top-down pass, one file each. Torch-free.

Files are discovered automatically; each has a `CELL`. Everything that the compiler knows of a cell follows from it: its
name and completion, shapes, parameters, FLOPs, memory, gradients, the class that written source names, the text and
the picture of `hvaedsl explain cell`, and docs/cells.md.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator

from hvaedsl.ir.cells.kind import CellKind
from hvaedsl.ir.custom import is_custom


def _discovered() -> dict[str, CellKind]:
    names = (module.name for module in pkgutil.iter_modules(__path__) if module.name != "kind")
    found: list[CellKind] = [import_module(f"{__name__}.{name}").CELL for name in names]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.place, kind.name))}


CELLS: Mapping[str, CellKind] = MappingProxyType(_discovered())
CELL_NAMES: tuple[str, ...] = tuple(CELLS)


def cell_kind(cell: str) -> CellKind | None:
    """The cell of a name; None for a custom cell, whose parts are known once it is imported."""
    return None if is_custom(cell) else CELLS[cell]


def _known(cell: str) -> str:
    if cell not in CELLS and not is_custom(cell):
        raise ValueError(f"unknown cell `{cell}`")
    return cell


# One of the cells here, or a custom one, `package.module:Name`.
CellReference = Annotated[str, AfterValidator(_known)]
