"""A line ends at LF, CRLF or a lone CR, for every place that a user reads."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.lint.check import Check
from hvaedsl.lint.fixes import apply_fixes
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.texts import Texts, place_of
from hvaedsl.program import compile_source
from hvaedsl.syntax.parser import parse_document

ENDS = ("\n", "\r\n", "\r")
ADVISED = spec(model="width = 16  latent = 4\n  widths = {2: 32}  # wide")


@pytest.mark.parametrize("end", ENDS)
def test_places_of_findings_and_nodes(end: str) -> None:
    text = spec(model="width = x  # a comment\n  latent = 4").replace("\n", end)
    (found,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (found.span.line, found.span.column, found.span.text) == (4, 11, "x")
    assert found.span == found.span.source.span(found.span.start, found.span.end)
    assert found.span.source.line(4) == "  width = x  # a comment"
    lines = [item.span.line for item in parse_document(Source("a.hvae", text)).document.statements]
    assert lines == [1, 2, 3]


@pytest.mark.parametrize("end", ENDS)
def test_an_unclosed_string_ends_with_its_line(end: str) -> None:
    text = spec(data='dataset = digits\n  path = "images\n').replace("\n", end)
    (found,) = compile_source(Source("a.hvae", text)).diagnostics
    assert (found.code, found.span.line, found.span.text) == ("HV114", 3, '"images')


@pytest.mark.parametrize("end", ENDS)
def test_suppressions_belong_to_their_line(end: str) -> None:
    text = ADVISED.replace("# wide", "# hvae: ignore[HV502]").replace("\n", end)
    assert hvaedsl.loads(text).advice == ()
    moved = ADVISED.replace("latent = 4", "latent = 4  # hvae: ignore[HV502]").replace("\n", end)
    assert [item.code for item in hvaedsl.loads(moved).advice] == ["HV502"]


@pytest.mark.parametrize("end", ENDS)
def test_fixes_remove_whole_lines_and_keep_the_others(end: str) -> None:
    text = ADVISED.replace("  latent", "  # hvae: ignore[HV601]\n  latent").replace("\n", end)
    source = Source("a.hvae", text, Path("a.hvae"))
    fixed = apply_fixes(Texts({place_of(source): source}), lambda texts: Check(Selection())(texts), unsafe=False)
    (after,) = fixed.texts.sources.values()
    assert fixed.linted.found == ()
    assert after.text == ADVISED.replace("{2: 32}", "{}").replace("16  latent", "16\n  latent").replace("\n", end)


@pytest.mark.parametrize("end", ENDS)
def test_formatting_writes_lf(end: str) -> None:
    formatted = format_text(spec())
    assert format_text(formatted.replace("\n", end)) == formatted


def test_a_carriage_return_in_a_string_is_an_escape() -> None:
    program = hvaedsl.loads(spec(), sets={"data.path": "a\rb\x85c"})
    assert '"a\\rb\x85c"' in program.resolved_text()
    assert hvaedsl.loads(program.resolved_text()).spec.data.path == "a\rb\x85c"
