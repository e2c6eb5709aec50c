"""Formatting of a range, folding, selection and links."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.lsp.folding import folding_ranges
from hvaedsl.lsp.formatting import changed_lines, formatted_range
from hvaedsl.lsp.links import document_links
from hvaedsl.lsp.selection import selection_range
from hvaedsl.shipped import shipped
from tests.lsp.texts import analyzed, at_cursor
from tests.lsp.texts_of_lists import lists

UGLY = """\
hvae 1
# above
let  n=3 # three
let   stage=(8x1,
   16r( $n-1 ) )

data{dataset=cifar10}
model {
    width=32   # w
  latent   = 2*$n+1
}
"""


def formatted(text: str, part: str) -> str:
    source = Source("spec.hvae", text)
    start = text.index(part)
    return edited(text, formatted_range(source, start, start + len(part)))


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("let  n=3", "let  n=3 # three", "let n     = 3  # three"),
        ("$n-1", "let   stage=(8x1,\n   16r( $n-1 ) )", "let stage = (8x1, 16r($n - 1))"),
        ("2*$n", "  latent   = 2*$n+1", "  latent = 2*$n + 1"),
        ("dataset", "data{dataset=cifar10}", "data{\n  dataset = cifar10\n}"),
        ("# above", "let  n=3 # three", "let n     = 3  # three"),
        ("width=32", "    width=32   # w", "  width  = 32  # w"),
        ("hvae", "hvae", "hvae"),
    ],
)
def test_a_range_is_formatted_with_its_statements(part: str, old: str, new: str) -> None:
    assert formatted(UGLY, part) == UGLY.replace(old, new)
    in_crlf = formatted(UGLY.replace("\n", "\r\n"), part.replace("\n", "\r\n"))
    assert in_crlf == UGLY.replace(old, new).replace("\n", "\r\n")


def test_the_whole_range_is_the_whole_format() -> None:
    assert formatted(UGLY, UGLY) == format_text(UGLY)
    assert formatted(format_text(UGLY), "width") == format_text(UGLY)
    with pytest.raises(SpecError):
        formatted("hvae 1\nmodel { width = }\n", "width")


def test_statement_by_statement_ends_in_the_same_text() -> None:
    for path in sorted(shipped("specs").glob("*.hvae")):
        text = path.read_text(encoding="utf-8").replace(" = ", "=").replace("  ", "   ")
        steps = text
        for line in range(text.count("\n") + 1):
            lines = steps.split("\n")
            at = sum(len(item) + 1 for item in lines[:line])
            if at <= len(steps):
                source = Source("spec.hvae", steps)
                steps = edited(steps, formatted_range(source, at, at))
        assert steps == format_text(text), path.name


def test_only_the_lines_that_differ_are_edited() -> None:
    source = Source("spec.hvae", "a\nb\nc\nd\n")
    edits = changed_lines(source, "a\nB\nc\nd\ne\n")
    assert [(edit.span.text, edit.replacement) for edit in edits] == [("b\n", "B\n"), ("", "e\n")]


def test_sections_values_brackets_and_comments_fold() -> None:
    text = "# one\n# two\nhvae 1\nlet s = (8x1,\n  8r2)\nmodel {\n  widths = {\n    8: 4\n  }\n  # alone\n}\n"
    found = [(item.start_line, item.end_line, item.kind) for item in folding_ranges(analyzed(text))]
    assert found == [(0, 1, "comment"), (3, 4, None), (5, 9, None), (6, 7, None)]


def test_a_selection_grows_from_the_word_to_the_text() -> None:
    text = "hvae 1\nmodel {\n  latent = 2*($n| + 1)\n  encoder = 8x1, 2*(8r3, 4)\n}\n"
    found, offset = at_cursor(text)
    parts = []
    selected = selection_range(found, offset)
    while True:
        start, end = found.lines.offset(selected.range.start), found.lines.offset(selected.range.end)
        parts.append(found.text[start:end])
        if selected.parent is None:
            break
        selected = selected.parent
    assert parts[:5] == ["$n", "$n + 1", "($n + 1)", "2*($n + 1)", "latent = 2*($n + 1)"]
    assert parts[5].startswith("latent = ")
    assert parts[5].endswith("(8r3, 4)")
    assert parts[6].startswith("model {")
    assert parts[7] == found.text


def test_extends_is_a_link(tmp_path: Path) -> None:
    found = lists(tmp_path)
    (link,) = document_links(found, lambda source: source.name)
    start, end = found.lines.offset(link.range.start), found.lines.offset(link.range.end)
    assert (found.text[start:end], link.target, link.tooltip) == ("base.hvae", "base.hvae", "open base.hvae")
    assert document_links(lists(tmp_path, 'hvae 1\nextends "none.hvae"\n'), lambda source: source.name) == []
