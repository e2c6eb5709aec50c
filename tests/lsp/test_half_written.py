"""No request on a half-written text raises, wherever it stops and whatever stands in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol.types import DocumentSymbol, SelectionRange, WorkspaceEdit

from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.actions import Here, code_actions
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.findings import published, shown
from hvaedsl.lsp.folding import folding_ranges
from hvaedsl.lsp.formatting import formatted_range
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.links import document_links
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.occurrences import occurrence_at
from hvaedsl.lsp.references import highlights, locations, name_places
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.rewrites import rewrites
from hvaedsl.lsp.selection import selection_range
from hvaedsl.lsp.semantic_tokens import semantic_tokens
from hvaedsl.lsp.symbols import document_symbols
from hvaedsl.lsp.workspace_symbols import workspace_symbols
from tests.lsp.texts import GOOD, analyze, analyzed
from tests.lsp.texts_of_lists import LISTS, lists


def uri(source: Source) -> str | None:
    return source.name


def ask_everything(found: AnalyzedText, offset: int) -> None:
    """Every request at one place; what comes back points into the text."""
    hover(found, offset)
    for item in complete(found, offset, CompletionClient(snippets=True, label_details=True)):
        assert item.text_edit is not None
    definition(found, offset, uri)
    prepare_rename(found, offset)
    if occurrence_at(found.tokens, offset) is not None:
        with suppress(CannotRenameError):  # `$base` has no name of its own
            rename(found, offset, "a_name_that_is_not_there")
    locations(found, name_places(found, offset), uri)
    highlights(found, offset)
    _check_inside(selection_range(found, offset))
    document_links(found, uri)
    workspace_symbols([("u", found.source)], "n", found.lines.encoding)
    inlay_hints(found, 0, len(found.text))
    _check_nested(document_symbols(found))
    folding_ranges(found)
    assert len(semantic_tokens(found).data) % 5 == 0
    here = Here(found, lambda item: shown(found, item, uri), lambda edits: WorkspaceEdit({"u": edits}))
    code_actions(here, 0, len(found.text))
    for _, edits in rewrites(found, offset, offset):
        assert edits
    with suppress(SpecError):  # a text with syntax errors is not formatted
        formatted_range(found.source, offset, offset)
    for finding in published(found, uri):
        assert finding.message


def _check_nested(symbols: Sequence[DocumentSymbol]) -> None:
    """A name stands inside what it names, as editors insist."""
    for item in symbols:
        assert item.range.start <= item.selection_range.start <= item.selection_range.end <= item.range.end
        _check_nested(item.children or ())


def _check_inside(selected: SelectionRange) -> None:
    """Each range is in the next one."""
    while selected.parent is not None:
        outer = selected.parent
        assert outer.range.start <= selected.range.start <= selected.range.end <= outer.range.end
        selected = outer


def of(text: str) -> AnalyzedText:
    return analyze(Source("spec.hvae", text), before=analyzed(GOOD).last_good)


def uncompiled(text: str) -> AnalyzedText:
    return replace(of(text), compilation=None)


def test_every_beginning_of_a_spec() -> None:
    for end in range(len(GOOD) + 1):
        ask_everything(of(GOOD[:end]), end)
        ask_everything(uncompiled(GOOD[:end]), end)


def test_every_place_of_a_spec() -> None:
    found = of(GOOD)
    for offset in range(len(GOOD) + 1):
        ask_everything(found, offset)


def test_every_beginning_of_a_spec_with_lists(tmp_path: Path) -> None:
    for end in range(0, len(LISTS) + 1, 3):
        ask_everything(lists(tmp_path, LISTS[:end]), end)
        ask_everything(replace(lists(tmp_path, LISTS[:end]), compilation=None), end)


def test_every_place_of_a_spec_with_lists(tmp_path: Path) -> None:
    found = lists(tmp_path)
    for offset in range(len(LISTS) + 1):
        ask_everything(found, offset)


FIRST, SECOND = "  width   = 32\n", "  width   = 64\n"
CONFLICT = GOOD.replace(FIRST, f"<<<<<<< HEAD\n{FIRST}||||||| base\n  width =\n=======\n{SECOND}>>>>>>> wider\n")
HEADERS = GOOD.replace("data {", "[data]").replace("\n}\n\nmodel", "\n\nmodel")


@pytest.mark.parametrize(
    ("text", "code"), [(CONFLICT, "HV130"), (HEADERS, "HV101"), (GOOD.replace("=", "＝"), "HV102")]
)
def test_every_place_of_a_text_that_is_repaired(text: str, code: str) -> None:
    found = of(text)
    assert [item.code for item in published(found, uri)] == [code]
    for offset in range(0, len(text) + 1, 3):
        ask_everything(found, offset)


def test_the_sides_of_a_conflict_are_offered() -> None:
    found = of(CONFLICT)
    here = Here(found, lambda item: shown(found, item, uri), lambda edits: WorkspaceEdit({"u": edits}))
    at = CONFLICT.index("<")
    assert [item.title for item in code_actions(here, at, at)][:2] == ["keep the first side", "keep the second side"]


@pytest.mark.parametrize("seed", range(8))
def test_a_piece_taken_out(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for _ in range(15):
        start = rng.randrange(len(GOOD))
        text = GOOD[:start] + GOOD[start + rng.randrange(1, 12) :]
        ask_everything(of(text), start)
        start = rng.randrange(len(LISTS))
        ask_everything(lists(tmp_path, LISTS[:start] + LISTS[start + rng.randrange(1, 12) :]), start)


WORDS = (
    *("hvae 1", "extends", "let", "n", "=", "{", "}", "(", ")", "[", "]", ",", "*", "@", "$", "$n", "16", "16x"),
    *("16d2", "32m16", "model", "encoder", "data", "dataset", "cifar10", '"', '"a"', "#", "\n", "\r\n", "🦆", "-"),
    *(":", "1e9", "widths", "+", "/", "$base", "32r(", "$stage", "let stage = (8x1, 4)"),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25), st.data())
def test_any_words_in_any_order(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    offset = data.draw(st.integers(0, len(text)))
    ask_everything(of(text), offset)
    ask_everything(uncompiled(text), offset)
