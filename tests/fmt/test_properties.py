"""Whatever stands between the tokens, formatting keeps them, their comments and what these silence; twice is once."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.program import compile_source
from hvaedsl.shipped import shipped
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.parser import parse_document

SPECS = sorted(shipped("specs").rglob("*.hvae"))
EVERYTHING = (Path(__file__).parent / "cases" / "values.hvae").read_text(encoding="utf-8")
ADVISED = """hvae 1
data { dataset = digits }
model {
  width = 16 latent = 4 widths = {2: 32, 1: 16}
  encoder = 8x2, 8d2, 4x1, 4d4, 1x1, 1r2@g
  decoder = 4x1, 8x2, 8x1
}
"""
COMMENTS = ("#", "# a comment", "#tight", "# hvae: ignore[HV501] r", "# hvae: ignore[HV502, HV503]", "# { = , ü")
SPACES = ("", " ", "\n", "\n\n", "\n \n\n", "\t", "\r\n", "   ")


@cache
def tokens_of(text: str) -> tuple[tuple[str, bool], ...]:
    """Each token, and whether the next one touches it."""
    read = list(hvae_parser().lex(text))
    after = [item.start_pos for item in read[1:]]
    return tuple((str(item), item.end_pos == start) for item, start in zip(read, [*after, None], strict=True))


def rewritten(text: str, seed: int, odds: float) -> tuple[str, list[str]]:
    """The same tokens with other white space and comments between them, and the comments."""
    chosen = random.Random(seed)
    comments: list[str] = []

    def between(needed: bool) -> str:
        if chosen.random() > odds:
            return " " if needed else ""
        made = chosen.choice(SPACES)
        while chosen.random() < odds * 0.4:
            comments.append(chosen.choice(COMMENTS))
            made += comments[-1] + chosen.choice(("\n", "\r\n", " \n\n\n")) + chosen.choice(SPACES)
        return made or (" " if needed else "")

    written = between(False)
    for token, touches in tokens_of(text):
        written += token + between(not touches)
    return written, comments


def comments_of(text: str) -> list[str]:
    """The comments, found without the formatter: what is left of each line when strings are gone."""
    lines = (re.sub(r'"(\\.|[^"\\])*"', "", line) for line in text.split("\n"))
    return [line[line.index("#") :] for line in lines if "#" in line]


@pytest.mark.parametrize("text", [EVERYTHING, ADVISED, *(path.read_text(encoding="utf-8") for path in SPECS)])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), odds=st.sampled_from((0.03, 0.2, 0.6)))
def test_tokens_and_comments_are_kept(text: str, seed: int, odds: float) -> None:
    before, comments = rewritten(text, seed, odds)
    formatted = format_text(before)
    statements = parse_document(Source("original", text)).document.statements
    parsed = parse_document(Source("formatted", formatted))
    assert parsed.diagnostics == ()
    assert parsed.document.statements == statements
    assert [token for token, _ in tokens_of(formatted)] == [token for token, _ in tokens_of(text)]
    assert comments_of(formatted) == comments
    assert format_text(formatted) == formatted


@pytest.mark.parametrize("text", [EVERYTHING, *(path.read_text(encoding="utf-8") for path in SPECS)])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_without_comments_and_blank_lines_one_text_results(text: str, seed: int) -> None:
    chosen = random.Random(seed)
    spread = "".join(token + chosen.choice((" ", "\n", "\t", "\r\n")) for token, _ in tokens_of(text))
    one_line = format_text(" ".join(token for token, _ in tokens_of(text)))
    assert format_text(spread) == one_line
    assert "\n\n\n" not in one_line
    assert all(len(line) <= 100 and line == line.rstrip() for line in one_line.split("\n"))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), odds=st.sampled_from((0.05, 0.2, 0.6)))
def test_what_is_silenced_stays_silenced_and_nothing_more(seed: int, odds: float) -> None:
    before, _ = rewritten(ADVISED, seed, odds)

    def findings(text: str) -> list[tuple[str, str]]:
        return [
            (item.code, tokens_of(item.span.text)[0][0]) for item in compile_source(Source("model", text)).diagnostics
        ]

    assert findings(format_text(before)) == findings(before)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_bridge_is_the_same_however_a_spec_was_written(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    before, _ = rewritten(text, seed=len(text), odds=0.3)
    programs = [compile_source(Source(path.name, item, path)).program for item in (text, before, format_text(before))]
    if programs[0] is None:  # the base of the others
        assert path.stem == "vdvae"
        return
    for first, second in pairwise(programs):
        assert first is not None
        assert second is not None
        assert (first.bridge, first.spec) == (second.bridge, second.spec)


def test_the_advised_spec_is_advised() -> None:
    """Else the test of what is suppressed would say nothing."""
    codes = {item.code for item in compile_source(Source("model", ADVISED)).diagnostics}
    assert {"HV502", "HV503"} <= codes
