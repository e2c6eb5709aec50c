"""The formatter's style, case by case: NAME.hvae beside NAME.formatted in cases/.

`pytest tests/fmt --update-goldens` rewrites the latter; read the difference before you keep it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import hvaedsl.fmt.formatter
from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.program import Compilation, compile_source
from hvaedsl.shipped import shipped
from hvaedsl.syntax.parser import parse_document

ROOT = Path(__file__).parents[2]
CASES = sorted((Path(__file__).parent / "cases").glob("*.hvae"))
SPECS = sorted([*shipped("specs").rglob("*.hvae"), *(ROOT / "examples").rglob("*.hvae")])


def meaning(compilation: Compilation) -> tuple[object, ...]:
    """What a text compiles to, and what is said of it, apart from the places."""
    program = compilation.program
    found = [(item.code, item.message) for item in compilation.diagnostics]
    return (program and program.bridge, program and program.spec, program and program.cost, found)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases(path: Path, update_goldens: bool) -> None:
    golden = path.with_suffix(".formatted")
    formatted = format_text(path.read_text(encoding="utf-8"))
    if update_goldens:
        golden.write_text(formatted, encoding="utf-8")
    assert formatted == golden.read_text(encoding="utf-8")
    assert format_text(formatted) == formatted


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "goldens").glob("*.hvae")), ids=lambda path: path.stem)
def test_what_parses_means_the_same_afterwards(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    before = compile_source(Source(path.name, text))
    if parse_document(Source(path.name, text)).diagnostics:
        with pytest.raises(SpecError):
            format_text(text)
        return
    formatted = format_text(text)
    assert meaning(compile_source(Source(path.name, formatted))) == meaning(before)
    assert format_text(formatted) == formatted


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("", ""),
        (" \n\t\r\n", ""),
        ("\ufeff", ""),
        ("# only", "# only\n"),
        ("\ufeff# a\r\nhvae 1\r\n\r\n\r\ndata {\r\n}\r\n", "# a\nhvae 1\n\ndata {}\n"),
        ("hvae 1\rlet n = 1 # old\rlet m = 2\r", "hvae 1\nlet n = 1  # old\nlet m = 2\n"),
        ("hvae\f1\t\n", "hvae 1\n"),
        ('a = "x\\ry" # z', 'a = "x\\ry"  # z\n'),  # a string has no line break, only the escape of one
        ("# a\u2028b\x85\nhvae 1", "# a\u2028b\nhvae 1\n"),  # these end no line of a spec
    ],
)
def test_line_ends_and_marks(text: str, formatted: str) -> None:
    assert format_text(text) == formatted
    assert format_text(formatted) == formatted


def test_a_text_that_does_not_parse_says_all_that_is_wrong() -> None:
    with pytest.raises(SpecError) as caught:
        format_text('hvae 1\nmodel { width = }\ndata { path = "x\n}\n')
    assert [(item.code, item.span.line) for item in caught.value.diagnostics] == [("HV101", 2), ("HV114", 3)]


def test_a_wrong_result_is_our_bug_and_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "hvae 1\nmodel { width = 4 } # hvae: ignore[HV502]\n": "AST and tokens",
        "hvae 1\nmodel { width = }\n": "syntax and AST and tokens and comments and suppressed lines",
        "hvae 1\nmodel { width = 3 }\n# hvae: ignore[HV502]\n": "suppressed lines",
        "hvae 1\nmodel { width = 3 } # hvae: ignore[HV50]\n": "comments and suppressed lines",
    }
    for result, lost in wrong.items():
        monkeypatch.setattr(hvaedsl.fmt.formatter, "text_of", lambda _, result=result: result)
        with pytest.raises(CompilerBug, match=f"would change its {lost}; "):
            format_text("hvae 1\nmodel { width = 3 } # hvae: ignore[HV502]\n")


def test_a_thousand_lines_take_well_under_a_second() -> None:
    section = "model {\n" + "width = 3 # of the state\n" * 8 + "encoder = 32x11, 32d2, 16x6\n}\n"
    text = section * 100
    format_text(text)
    begin = time.perf_counter()
    format_text(text)
    assert time.perf_counter() - begin < 2.0  # 0.3 s on an idle core


def test_hostile_texts_stay_small() -> None:
    key = "k" * 100_000
    keys = "".join(f"x{at} = 1 # c\n" for at in range(500))
    for text in (
        f"m {{ {key} = 1 # long\n {keys} }}",
        f'm {{ s = "{key}" # long\n {keys} }}',
        f"m {{ {key} = {', '.join(['32x1'] * 2000)} }}",
        f"m {{ a = {key}({', '.join(['32x1'] * 2000)}) }}",
        "a = " + "(" * 64 + ", ".join(["32x1"] * 2000) + ")" * 64,
        "a {" * 64 + "b = 1" + "}" * 64,
    ):
        formatted = format_text(text)
        assert len(formatted) < 2 * len(text) + 200_000
        assert format_text(formatted) == formatted
