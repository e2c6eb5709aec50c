"""docs/cells.md has the text of `hvaedsl explain cell`, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from hvaedsl.ir.cell_texts import CELL_TEXTS
from hvaedsl.ir.cells import CELLS, CellName
from hvaedsl.render.cells import cell_dot
from hvaedsl.render.output import write
from hvaedsl.report.explain import cell_explanation

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cells.md").read_text(encoding="utf-8")
FIRST, *SECTIONS = PAGE.split("\n## ")


def test_a_section_a_cell() -> None:
    assert [section.split(":")[0] for section in SECTIONS] == list(CELL_TEXTS)
    rows = [line.split("`")[1] for line in FIRST.splitlines() if line.startswith("| `")]
    assert rows == list(CELL_TEXTS)


@pytest.mark.parametrize("section", SECTIONS, ids=list(CELL_TEXTS))
def test_a_section_is_the_catalogues_text(section: str) -> None:
    name = section.split(":")[0]
    picture = f"![the cell {name}](images/cells/{name}.svg)"
    assert f"# {section}".replace(picture, "").split() == cell_explanation(CELL_TEXTS[name]).split()
    assert picture in section
    assert all(f"{equation}\n" in section for equation in CELL_TEXTS[name].equations)


@pytest.mark.parametrize("name", CELL_TEXTS)
def test_a_picture_shows_what_the_cell_has(name: str, tmp_path: Path) -> None:
    write(cell_dot(name), tmp_path / "cell.svg", engine="dot")
    drawn, committed = (path.read_text() for path in (tmp_path / "cell.svg", DOCS / "images" / "cells" / f"{name}.svg"))
    for picture in (drawn, committed):
        assert ("A x + B z + b" in picture) == (CELLS[cast(CellName, name)].entry == "combiner")
        assert ("W z + b" in picture) == (CELLS[cast(CellName, name)].entry == "z_proj")
        assert ("u + f(u)" in picture) == CELLS[cast(CellName, name)].resnet
        assert (">h<" in picture) == CELLS[cast(CellName, name)].increment
