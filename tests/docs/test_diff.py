"""What docs/diff.md and docs/getting-started.md show is what the commands print and write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diff.compare import compare
from hvaedsl.diff.text import difference_text
from hvaedsl.draft import standalone_spec

ROOT = Path(__file__).parents[2]
DIFF, START = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("diff.md", "getting-started.md"))


def test_the_difference_is_as_it_is_printed() -> None:
    found = compare(hvaedsl.load("cifar"), hvaedsl.load("cifar_ws"), ("cifar", "cifar_ws"))
    assert re.findall(r"```text\n(.*?)```", DIFF, flags=re.DOTALL) == [difference_text(found)]
    picture = (ROOT / "docs" / "images" / "diff.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    for program in (hvaedsl.load("cifar"), hvaedsl.load("cifar_ws")):
        assert f"{program.cost.parameters:,} parameters, stochastic depth {program.cost.stochastic_depth}" in picture


def test_the_python_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DIFF, flags=re.DOTALL)
    exec(compile(code, "diff.md", "exec"), {})


def test_the_first_spec_is_the_one_that_is_written() -> None:
    (shown,) = re.findall(r"```hvae\n(.*?)```", START, flags=re.DOTALL)
    assert standalone_spec(Path("faces.hvae"), "folder", 16, None, "photos") == shown


def test_the_change_is_told_as_it_is() -> None:
    text = standalone_spec(Path("faces.hvae"), "folder", 16, None, "photos")
    changed = text.replace("encoder = 16x2", "encoder = 2*16r3").replace("16m8, 16x2", "16m8, 2*16r3")
    found = compare(hvaedsl.loads(text), hvaedsl.loads(changed))
    assert found.before.totals.parameters == found.after.totals.parameters
    depths = (found.before.totals.stochastic_depth, found.after.totals.stochastic_depth)
    assert "from {} to {}".format(*depths) in START


@pytest.mark.parametrize("text", [DIFF, START], ids=["diff", "getting-started"])
def test_links_lead_somewhere(text: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)
