"""docs/cells.md is what `hvaedsl explain cell --markdown` writes, with the text of `hvaedsl explain cell`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.residual_blocks import BLOCKS
from hvaedsl.render.cells import cell_dot
from hvaedsl.render.output import write
from hvaedsl.report.explain import block_explanation, cell_explanation, cells_page

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cells.md").read_text(encoding="utf-8")
CELLS_PART, _, BLOCKS_PART = PAGE.partition("\n## Residual blocks\n")
_, *SECTIONS = CELLS_PART.split("\n## ")
_, *BLOCK_SECTIONS = BLOCKS_PART.split("\n### ")


def test_the_page_is_generated() -> None:
    assert cells_page(CELLS.values(), BLOCKS.values()) == PAGE, "run `make docs-cells`"
    assert [section.split(":")[0] for section in SECTIONS] == list(CELLS)


@pytest.mark.parametrize("section", SECTIONS, ids=list(CELLS))
def test_a_section_is_what_explain_prints(section: str) -> None:
    name = section.split(":")[0]
    picture = f"![the cell {name}](images/cells/{name}.svg)"
    assert f"# {section}".replace(picture, "").split() == cell_explanation(CELLS[name]).split()
    assert all(f"{equation}\n" in section for equation in CELLS[name].equations)


@pytest.mark.parametrize("section", BLOCK_SECTIONS, ids=list(BLOCKS))
def test_a_section_of_a_block_is_what_explain_prints(section: str) -> None:
    name = section.split(":")[0]
    result = CliRunner().invoke(app, ["explain", "block", name])
    assert result.exit_code == 0
    assert f"# {section}".split() == result.output.split() == block_explanation(BLOCKS[name]).split()


def test_explain_names_the_blocks() -> None:
    listed = CliRunner().invoke(app, ["explain", "block"]).output
    assert [line.split()[0] for line in listed.splitlines()] == list(BLOCKS)
    wrong = CliRunner().invoke(app, ["explain", "block", "attn"])
    assert "did you mean `attention`?" in str(wrong.exception)


def test_explain_writes_page_and_pictures(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "cell", "--markdown", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "cells.md").read_text(encoding="utf-8") == PAGE
    assert {path.stem for path in (tmp_path / "images" / "cells").glob("*.svg")} == set(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_a_picture_shows_what_the_cell_has(name: str, tmp_path: Path) -> None:
    write(cell_dot(name), tmp_path / "cell.svg", engine="dot")
    drawn, committed = (path.read_text() for path in (tmp_path / "cell.svg", DOCS / "images" / "cells" / f"{name}.svg"))
    for picture in (drawn, committed):
        assert ("A x + B z + b" in picture) == ("combiner" in CELLS[name].outgoing)
        assert ("W z + b" in picture) == ("z_proj" in CELLS[name].outgoing)
        assert ("u + f(u)" in picture) == ("resnet" in CELLS[name].outgoing)
        assert (">h<" in picture) == CELLS[name].gives_h
