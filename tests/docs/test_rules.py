"""docs/rules is what `hvaedsl explain --markdown` writes, and its examples are what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source
from hvaedsl.report.explain import explanation
from hvaedsl.rules import KINDS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "rules"
GOLDENS = ROOT / "tests" / "goldens"
ADVICE = [kind for code, kind in KINDS.items() if kind.severity is Severity.ADVICE and code not in ("HV590", "HV591")]


def pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_the_pages_are_generated(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "--markdown", str(tmp_path / "new" / "rules")])
    assert result.exit_code == 0, result.output
    assert pages(tmp_path / "new" / "rules") == pages(RULES), "run `make docs-rules`"


def test_a_page_a_code_and_an_index_that_leads_to_all() -> None:
    assert set(pages(RULES)) == {"README.md"} | {f"{code}.md" for code in KINDS}
    assert re.findall(r"\]\((HV\d+)\.md\)", (RULES / "README.md").read_text()) == sorted(KINDS)


@pytest.mark.parametrize("code", KINDS)
def test_a_page_has_the_explanation_and_the_golden(code: str) -> None:
    page, kind = (RULES / f"{code}.md").read_text(encoding="utf-8"), KINDS[code]
    paragraphs = explanation(kind).rstrip("\n").split("\n\n")
    assert all(paragraph in page for paragraph in paragraphs)
    if kind.bad:
        assert (GOLDENS / f"{code}.err").read_text(encoding="utf-8") in page


@pytest.mark.parametrize("kind", ADVICE, ids=[kind.code for kind in ADVICE])
def test_the_examples_of_a_page_run(kind: type[Diagnostic]) -> None:
    page = (RULES / f"{kind.code}.md").read_text(encoding="utf-8")
    bad, _, good = re.findall(r"^```\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert {item.code for item in compile_source(Source("bad.hvae", bad)).diagnostics} == {kind.code}
    assert kind.code not in {item.code for item in compile_source(Source("good.hvae", good)).diagnostics}
    suppressed = re.search(r"`(# hvae: ignore\[HV\d+\] reason)`", page)
    assert suppressed is not None
    (found,) = compile_source(Source("bad.hvae", bad)).diagnostics
    lines = bad.split("\n")
    lines[found.span.line - 1] += f"  {suppressed[1]}"
    assert compile_source(Source("bad.hvae", "\n".join(lines))).diagnostics == ()


def test_markdown_takes_nothing_beside_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "HV303", "--markdown", str(tmp_path)])
    assert result.exit_code != 0
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["explain", "--markdown", str(tmp_path / "file")])
    assert result.exit_code != 0
    assert "cannot be written" in str(result.exception)
