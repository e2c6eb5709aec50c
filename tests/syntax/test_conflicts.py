"""HV130: the conflicts of git are one error each, and a text with one can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_source
from hvaedsl.program import compile_source
from hvaedsl.syntax.parser import parse_document

CONFLICT = """hvae 1
data { dataset = digits }
model {
  width = 16  latent = 4
<<<<<<< HEAD
  encoder = 8x2, 8d2, 4x1
=======
  encoder = 8x2, 8d2, 4x3
>>>>>>> deeper
  decoder = 4x1, 8m4, 8x2
}
"""
BASE = "||||||| 1a2b3c4\n  encoder = 8q1\n=======\n"


def found(text: str) -> list[tuple[str, int, str]]:
    items = compile_source(Source("a.hvae", text)).diagnostics
    return [(item.code, item.span.line, item.message) for item in items]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (CONFLICT, "5 to 9"),
        (CONFLICT.replace("=======\n", BASE), "5 to 11"),
        (CONFLICT.replace("8d2, 4x1", "8d2, 4y1"), "5 to 9"),  # errors inside, of syntax and others, on either side
        (CONFLICT.replace("8d2, 4x3", "8d2, “4x3”, }"), "5 to 9"),
        (CONFLICT.replace("8x2, 8d2, 4x1", "7x2").replace("encoder", "encodr"), "5 to 9"),
        (CONFLICT.replace("  encoder = 8x2, 8d2, 4x1\n", ""), "5 to 8"),
        (CONFLICT.replace(" deeper", ""), "5 to 9"),
    ],
)
def test_a_conflict_is_one_error_at_its_first_marker(text: str, lines: str, line_break: str) -> None:
    assert found(text.replace("\n", line_break)) == [("HV130", 5, f"unresolved merge conflict, lines {lines}")]


def test_a_conflict_around_a_brace_is_one_error() -> None:
    text = "hvae 1\n<<<<<<< HEAD\ndata {\n=======\ndata { path = 3\n>>>>>>> x\ndataset = digits }\n"
    assert found(text) == [("HV130", 2, "unresolved merge conflict, lines 2 to 6")]


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> deeper"])
def test_a_conflict_that_lacks_a_marker_is_one_error(marker: str) -> None:
    (only,) = found(CONFLICT.replace(f"{marker}\n", ""))
    assert only[0] == "HV130"


def test_two_conflicts_are_two_errors_and_mistakes_elsewhere_are_reported() -> None:
    second = CONFLICT[CONFLICT.index("<") : CONFLICT.index("  decoder")].replace("encoder", "decoder")
    text = CONFLICT.replace("  decoder = 4x1, 8m4, 8x2\n", second).replace("width", "widht")
    assert [(code, line) for code, line, _ in found(text)] == [("HV201", 4), ("HV130", 5), ("HV130", 10)]


def test_keeping_a_side_resolves_the_conflict() -> None:
    for text in (CONFLICT, CONFLICT.replace("=======\n", BASE)):
        (item,) = compile_source(Source("a.hvae", text)).diagnostics
        kept = [edited(text, way.edits) for way in item.ways_out]
        assert kept == [
            CONFLICT[: CONFLICT.index("<")] + f"  encoder = 8x2, 8d2, 4x{count}\n" + REST for count in (1, 3)
        ]
        for each in kept:
            hvaedsl.loads(each)
        assert item.fix is None  # only the author knows the side


REST = CONFLICT[CONFLICT.index("  decoder") :]


def test_marks_that_are_no_markers_are_left_alone() -> None:
    for text in ("x = 1  # <<<<<<< HEAD\n", "# =======\n", "<<<<<< HEAD\n", "========\n"):
        assert "HV130" not in [code for code, *_ in found(f"hvae 1\n{text}")]


def test_a_text_with_a_conflict_is_not_formatted_and_its_first_side_is_read() -> None:
    source = Source("a.hvae", CONFLICT)
    with pytest.raises(SpecError) as caught:
        format_source(source)
    codes = [item.code for item in caught.value.diagnostics]
    assert codes == ["HV130"]
    model = parse_document(source).document.statements[-1]
    assert "4x1" in model.span.text


def test_a_conflict_in_a_base_is_reported_there(tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(CONFLICT, encoding="utf-8")
    text = 'hvae 1\nextends "base.hvae"\n'
    (item,) = compile_source(Source("a.hvae", text, tmp_path / "a.hvae")).diagnostics
    assert (item.code, Path(item.span.source.name).name) == ("HV130", "base.hvae")
