"""Real specs, damaged byte by byte and token by token: diagnostics with places inside the text, and little time."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.fmt import format_source
from hvaedsl.program import Compilation, compile_source
from hvaedsl.report.as_json import to_json
from hvaedsl.report.full import print_full
from hvaedsl.rules import KINDS
from hvaedsl.shipped import shipped
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.text import decode

from .printed_forms import assert_prints_and_reads_back
from .profile import examples
from .spec_strategy import SoundSpec, sound_specs

SPECS = sorted(shipped("specs").rglob("*.hvae"))
MAX_CPU_SECONDS = 1.0
STRANGE = (
    *(" ", "\n", "\r\n", "\r", "\0", "\ufeff", "\u2028", "\x85", "\f", "\t", '"', "\\", "#", "$", "@", "*", ",", ":"),
    *(
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "=",
        "-",
        ".",
        "_",
        "0",
        "9" * 20,
        "1e999",
        "é",
        "😀",
        "x",
        "k",
        "hvae",
        "let",
        "$n",
    ),
    *("extends", "none", '"..', "# hvae: ignore[HV502]", "2*(", "@g", "paper {", "a = ", "model { ", "8r", "1.5", "'"),
)


# --- how a text is damaged


@st.composite
def byte_edits(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes flipped, inserted, deleted; at the end the text may be cut."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(changed)))
        how = draw(st.sampled_from(("flip", "insert", "delete", "strange", "cut")))
        if how == "insert":
            changed[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif how == "strange":
            changed[at:at] = draw(st.sampled_from(STRANGE)).encode()
        elif how == "delete":
            del changed[at : at + draw(st.integers(1, 30))]
        elif how == "cut":
            del changed[at:]
        elif at < len(changed):
            changed[at] ^= draw(st.integers(1, 255))
    return bytes(changed)


@cache
def lexed(text: str) -> tuple[tuple[str, str], ...]:
    """Each token with what stands before it; what follows the last one is a token of its own."""
    pieces: list[tuple[str, str]] = []
    end = 0
    for token in hvae_parser().lex(text):
        pieces.append((text[end : token.start_pos], str(token)))
        end = token.end_pos or 0
    return (*pieces, (text[end:], ""))


@st.composite
def token_edits(draw: st.DrawFn, text: str) -> str:
    """Tokens swapped, doubled, removed, moved and replaced."""
    pieces = list(lexed(text))
    places = st.integers(0, len(pieces) - 1)
    for _ in range(draw(st.integers(1, 4))):
        first, second = draw(places) % len(pieces), draw(places) % len(pieces)
        how = draw(st.sampled_from(("swap", "double", "remove", "move", "replace", "strange")))
        if how == "swap":
            pieces[first], pieces[second] = pieces[second], pieces[first]
        elif how == "double":
            pieces.insert(first, pieces[first])
        elif how == "remove" and len(pieces) > 1:
            del pieces[first]
        elif how == "move":
            pieces.insert(first, (" ", pieces[second][1]))
        elif how == "replace":
            pieces[first] = (pieces[first][0], pieces[second][1])
        else:
            pieces[first] = (pieces[first][0], draw(st.sampled_from(STRANGE)))
    return "".join(space + token for space, token in pieces)


# --- what holds of whatever comes out


def places(item: Diagnostic) -> Iterator[Span]:
    yield item.span
    yield from (label.span for label in item.secondary)
    if item.fix is not None:
        yield from (edit.span for edit in item.fix.edits)


def assert_sound_places(diagnostics: Sequence[Diagnostic]) -> None:
    for item in diagnostics:
        assert item.code in KINDS
        assert item.message
        for span in places(item):
            assert 0 <= span.start <= span.end <= len(span.source.text)
            assert span == span.source.span(span.start, span.end), "line and column do not fit the offsets"


def assert_printed(diagnostics: Sequence[Diagnostic]) -> None:
    out = io.StringIO()
    print_full(diagnostics, Console(file=out, width=100))
    shown = out.getvalue()
    assert all(f"[{item.code}]" in shown for item in diagnostics[:200])
    records = json.loads(to_json(diagnostics))
    assert [(found["code"], found["line"], found["column"]) for found in records] == [
        (item.code, item.span.line, item.span.column) for item in diagnostics
    ]


def compiled_in_time(source: Source) -> Compilation:
    before = time.process_time()
    compilation = compile_source(source)
    assert time.process_time() - before < MAX_CPU_SECONDS
    return compilation


def assert_only_diagnostics(source: Source) -> None:
    compilation = compiled_in_time(source)
    assert compilation.program is not None or compilation.diagnostics
    assert_sound_places(compilation.diagnostics)
    assert_printed(compilation.diagnostics)
    if compilation.program is not None:
        assert_prints_and_reads_back(compilation.program)
    try:
        formatted = format_source(source)
    except SpecError as error:
        assert_sound_places(error.diagnostics)
        assert_printed(error.diagnostics)
    else:
        assert format_source(Source(source.name, formatted, source.path)) == formatted


@pytest.fixture(scope="module", autouse=True)
def tables() -> None:
    """The grammar's tables are made once, whichever example comes first."""
    compile_source(Source("warm.hvae", "hvae 1\n"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
@examples(quick=4, long=70)
@given(chosen=st.data())
def test_damaged_bytes(path: Path, chosen: st.DataObject) -> None:
    data = chosen.draw(byte_edits(path.read_bytes()))
    try:
        source = decode(data, path.name, path)
    except SpecError as error:
        assert_sound_places(error.diagnostics)
        assert_printed(error.diagnostics)
        return
    assert_only_diagnostics(source)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
@examples(quick=4, long=70)
@given(chosen=st.data())
def test_damaged_tokens(path: Path, chosen: st.DataObject) -> None:
    text = chosen.draw(token_edits(path.read_text(encoding="utf-8")))
    assert_only_diagnostics(Source(path.name, text, path))


@examples(quick=25, long=1000)
@given(spec=sound_specs(), chosen=st.data())
def test_damaged_drawn_specs(spec: SoundSpec, chosen: st.DataObject) -> None:
    """Drawn specs hold what no shipped one does: own parts, strings, groups in groups, every switch."""
    assert_only_diagnostics(Source("drawn.hvae", chosen.draw(token_edits(spec.text))))
