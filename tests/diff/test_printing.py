"""The same difference as text, markdown and JSON, held against goldens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diff.as_json import difference_json
from hvaedsl.diff.compare import compare
from hvaedsl.diff.markdown import difference_markdown
from hvaedsl.diff.pictures import difference_dot
from hvaedsl.diff.text import difference_text
from hvaedsl.diff.wording import change
from hvaedsl.render.output import render

GOLDENS = Path(__file__).parent / "goldens"
BEFORE, AFTER = (hvaedsl.load(GOLDENS / f"{name}.hvae") for name in ("before", "after"))
DIFFERENCE = compare(BEFORE, AFTER, ("git:main:mine.hvae", "mine.hvae"))
PRINTED = {"txt": difference_text, "md": difference_markdown, "json": difference_json}


@pytest.mark.parametrize("suffix", PRINTED)
def test_golden(suffix: str, update_goldens: bool) -> None:
    golden, printed = GOLDENS / f"difference.{suffix}", PRINTED[suffix](DIFFERENCE)
    if update_goldens:
        golden.write_text(printed, encoding="utf-8")
    assert printed == golden.read_text(encoding="utf-8")


def test_a_row_of_a_markdown_table_has_as_many_cells_as_its_head() -> None:
    tables = [block for block in difference_markdown(DIFFERENCE).split("\n\n") if block.startswith("|")]
    assert len(tables) == 7
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table


@pytest.mark.parametrize("value", ["`", "``x`", "a|b", "@someone", "<script>", "x\x1b[0m", "# no heading"])
def test_no_value_brings_markup_of_its_own(value: str) -> None:
    second = hvaedsl.load(GOLDENS / "before.hvae", sets={"data.path": json.dumps(value).replace("\\u001b", "")})
    printed = difference_markdown(compare(BEFORE, second, (value, f"{value}.hvae")))
    outside = re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", printed)
    assert not re.search(r"(?<!\\)[@<]", outside)
    assert "\x1b" not in printed


def test_a_terminal_is_told_nothing_by_a_value() -> None:
    second = hvaedsl.loads(BEFORE.document.source.text.replace("cifar10", 'cifar10 path = "\x1b[2Jx"'))
    printed = difference_text(compare(BEFORE, second))
    assert "\x1b" not in printed
    assert 'path  none -> "\\x1b[2Jx"' in printed


def test_equal_models_say_so() -> None:
    same = compare(BEFORE, BEFORE, ("a.hvae", "b.hvae"))
    assert difference_text(same) == "a.hvae and b.hvae are the same model\n"
    assert "No difference" in difference_markdown(same)
    assert json.loads(difference_json(same))["same"] is True


def test_both_pictures_stand_in_one() -> None:
    dot = difference_dot(BEFORE, AFTER)
    svg = render(dot, "svg").decode()
    for word in ("before: before", "after: after", "removed", "changed"):
        assert word in svg.replace("&#160;", " ")
    # Boxes of both pictures have names of their own, and equal boxes no mark.
    assert svg.count('<g id="node') == dot.count("[pos=") - dot.count(" -> ")
    assert "penwidth=3" not in difference_dot(BEFORE, BEFORE)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (100, 100, "="),
        (0, 7, "+7"),
        (100, 80, "-20 (-20.0 %)"),
        (100, 1000, "+900 (+900 %)"),
        (10, 7600, "+7,590 (760 times)"),
    ],
)
def test_a_change_is_told_in_proportion(before: int, after: int, said: str) -> None:
    assert change(before, after, "{:,.0f}".format) == said
