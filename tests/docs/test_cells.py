"""docs/cells.md has the text of `hvaedsl explain cell`, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvaedsl.catalog.cells import CELL_TEXTS
from hvaedsl.report.explain import cell_explanation

PAGE = (Path(__file__).parents[2] / "docs" / "cells.md").read_text(encoding="utf-8")
FIRST, *SECTIONS = PAGE.split("\n## ")


def test_a_section_a_cell() -> None:
    assert [section.split(":")[0] for section in SECTIONS] == list(CELL_TEXTS)
    rows = [line.split("`")[1] for line in FIRST.splitlines() if line.startswith("| `")]
    assert rows == list(CELL_TEXTS)


@pytest.mark.parametrize("section", SECTIONS, ids=list(CELL_TEXTS))
def test_a_section_is_the_catalogues_text(section: str) -> None:
    name = section.split(":")[0]
    assert f"# {section}".split() == cell_explanation(CELL_TEXTS[name]).split()
    assert all(f"{equation}\n" in section for equation in CELL_TEXTS[name].equations)
