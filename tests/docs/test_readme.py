"""The README shows what the tool does, to the letter."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import hvaedsl
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source
from hvaedsl.report.full import print_full

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_spec_is_the_one_that_is_drawn() -> None:
    spec = BLOCKS[0][2]
    assert len(spec.splitlines()) == 12
    assert spec == (ROOT / "docs" / "images" / "readme.hvae").read_text(encoding="utf-8")
    program = hvaedsl.loads(spec, path="readme.hvae")
    picture = (ROOT / "docs" / "images" / "readme.svg").read_text(encoding="utf-8")
    for figure in (f"{program.cost.parameters:,} parameters", f"stochastic depth {program.cost.stochastic_depth}"):
        assert figure in picture


def test_the_error_is_as_the_tool_prints_it() -> None:
    broken = BLOCKS[0][2].replace("16d2", "16d3")
    out = io.StringIO()
    found = compile_source(Source("readme.hvae", broken, Path("readme.hvae"))).diagnostics
    print_full(found, Console(file=out, width=100))
    assert out.getvalue() == BLOCKS[1][2]


def test_the_python_runs() -> None:
    (code,) = (body for _, language, body in BLOCKS if language == "python")
    found: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), found)
    assert tuple(found["images"].shape) == (16, 8, 8, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)|src=\"([^\"]+)\"", README))))
def test_links_lead_somewhere(link: tuple[str, str]) -> None:
    assert (ROOT / (link[0] or link[1])).exists()
