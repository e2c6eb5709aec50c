"""Diagnostics as text: what the excerpt shows of long, wide and strange lines."""

from __future__ import annotations

import io

from rich.console import Console

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source
from hvaedsl.report.cost_table import short_count, size
from hvaedsl.report.full import MAX_SHOWN, print_full, summary


def findings(text: str) -> list[Diagnostic]:
    """What is found, apart from the keys that these fragments lack."""
    return [item for item in compile_source(Source("x.hvae", text)).diagnostics if item.code != "HV207"]


def rendered(text: str, color: bool = False) -> str:
    file = io.StringIO()
    print_full(
        findings(text), Console(file=file, width=40, force_terminal=color, color_system="standard" if color else None)
    )
    return file.getvalue()


def line_and_marks(text: str) -> tuple[str, str]:
    """The first excerpt's source line and the line of marks under it."""
    lines = rendered(text).splitlines()
    at = next(index for index, line in enumerate(lines) if line.lstrip().startswith("|") and index > 1) + 1
    return lines[at], lines[at + 1]


def marked(text: str) -> str:
    """What stands above the marks."""
    line, marks = line_and_marks(text)
    first, last = marks.index("^"), marks.rindex("^")
    return line[first : last + 1]


def test_the_marks_stand_under_what_is_meant() -> None:
    assert marked("hvae 1\nmodel { widht = 3 }") == "widht"
    assert marked("hvae 1\n\tmodel {\twidht = 3 }") == "widht"


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "hvae 1\nmodel { " + "width = 3 # " + "x" * 500 + "\n" + " " * 300 + "widht = 3" + " " * 300 + "}"
    line, _ = line_and_marks(text)
    assert marked(text) == "widht"
    assert len(line) < 120


def test_two_places_on_one_line_share_its_excerpt() -> None:
    out = rendered("hvae 1\nmodel { width = 3" + " " * 60 + "width = 4 }")
    assert sum(line.startswith("2 |") for line in out.splitlines()) == 1
    assert "first written here" in out
    assert "repeated here" in out


def test_two_places_far_apart_on_one_line_have_two_excerpts() -> None:
    out = rendered("hvae 1\nmodel { width = 3" + " " * 1000 + "width = 4 }")
    assert "first written here" in out
    assert "repeated here" in out
    assert max(map(len, out.splitlines())) < 250


def test_wide_characters_take_two_columns() -> None:
    line, marks = line_and_marks('hvae 1\ndata { path = "日本" pth = 3 }')
    assert marks.index("^") == line.index("pth") + 2


def test_what_a_terminal_would_act_on_is_not_printed() -> None:
    out = rendered("hvae 1\nmodel { width = 3 \x1b[31m\x07 }\ndata { dataset = \u202edigits }")
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\u202e" not in out


def test_markup_in_a_file_is_text() -> None:
    assert "[bold]" in rendered('hvae 1\nmodel { width = "[bold]" }', color=True)


def test_many_findings_are_counted() -> None:
    out = rendered("hvae 1\nmodel {\n" + "".join(f"k{i} = 1\n" for i in range(MAX_SHOWN + 50)) + "}")
    assert out.count("error[HV201]") <= MAX_SHOWN
    assert "... and " in out


def test_long_names_are_shortened_in_sentences() -> None:
    out = rendered("hvae 1\nmodel { " + "a" * 5_000 + " = 1 }")
    assert max(map(len, out.splitlines())) < 600


def test_summary() -> None:
    error = compile_source(Source("x", "")).diagnostics[:1]
    advice = hvaedsl.loads(
        "hvae 1 data { dataset = digits } model { width = 16 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 8x1 }"
    ).advice
    assert summary(error) == "1 error"
    assert summary(error * 2 + advice) == "2 errors, 1 piece of advice"
    assert summary(advice * 2) == "2 pieces of advice"


def test_counts_and_sizes() -> None:
    assert [short_count(n) for n in (0, 999, 1000, 39_145_700, 2.5e12)] == ["0", "999", "1k", "39.1M", "2.5T"]
    assert [size(n) for n in (0, 1023, 1024, 1 << 20, 1010 << 20)] == ["0 B", "1023 B", "1 KiB", "1 MiB", "1010 MiB"]
