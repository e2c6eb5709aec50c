"""The examples of docs/published_strings.md are accepted, or give the codes that the page states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source

PAGE = (Path(__file__).parents[2] / "docs" / "published_strings.md").read_text(encoding="utf-8")
(MODEL,) = re.findall(r"```hvae\n(.*?)```", PAGE, flags=re.DOTALL)
ROW = re.compile(r"^\| ((?:`\w+ = [^`]*` ?)+)\| (.*) \|$", re.MULTILINE)
ROWS = {section.partition("\n")[0]: ROW.findall(section) for section in PAGE.split("\n## ")[1:]}


def findings(example: str) -> tuple[Diagnostic, ...]:
    """What the compiler reports about the model of the page with the keys of an example in place of its own."""
    text = MODEL
    for key, value in re.findall(r"`(\w+) = ([^`]*)`", example):
        text = re.sub(rf"^  {key} .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("model {\n", f"model {{\n  {key} = {value}\n")
    return tuple(compile_source(Source("published.hvae", text)).diagnostics)


def codes(text: str) -> list[str]:
    return re.findall(r"\[(HV\d+)\]\(rules/\1\.md\)", text)


def test_every_table_has_examples() -> None:
    assert {title: len(rows) > 1 for title, rows in ROWS.items()} == {
        "The same model": True,
        "Refused here": True,
        "Refused there": True,
    }
    assert findings("") == ()


@pytest.mark.parametrize(("example", "row"), ROWS["The same model"] + ROWS["Refused there"])
def test_an_accepted_example(example: str, row: str) -> None:
    found = {item.code: item.severity for item in findings(example)}
    assert Severity.ERROR not in found.values()
    assert set(codes(row)) <= set(found)


@pytest.mark.parametrize(("example", "row"), ROWS["Refused here"])
def test_a_refused_example(example: str, row: str) -> None:
    errors = [item for item in findings(example) if item.severity is Severity.ERROR]
    assert sorted({item.code for item in errors}) == sorted(codes(row))
    if row.endswith("with a fix"):
        assert [item.fix is not None for item in errors] == [True]
    if row.endswith("with the reading"):
        assert ["openai/vdvae reads" in item.help_text for item in errors] == [True]
