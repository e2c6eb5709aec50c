"""No request on a half-written text raises, wherever it stops and whatever stands in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol.types import DocumentSymbol, WorkspaceEdit

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.actions import Here, code_actions
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.findings import published, shown
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.occurrences import occurrence_at
from hvaedsl.lsp.rename import prepare_rename, rename
from hvaedsl.lsp.semantic_tokens import semantic_tokens
from hvaedsl.lsp.symbols import document_symbols, folding_ranges
from tests.lsp.texts import GOOD, analyze, analyzed


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
        rename(found, offset, "a_name_that_is_not_there")
    inlay_hints(found, 0, len(found.text))
    _check_nested(document_symbols(found))
    folding_ranges(found)
    assert len(semantic_tokens(found).data) % 5 == 0
    here = Here(found, lambda item: shown(found, item, uri), lambda edits: WorkspaceEdit({"u": edits}))
    code_actions(here, 0, len(found.text))
    for finding in published(found, uri):
        assert finding.message


def _check_nested(symbols: Sequence[DocumentSymbol]) -> None:
    """A name stands inside what it names, as editors insist."""
    for item in symbols:
        assert item.range.start <= item.selection_range.start <= item.selection_range.end <= item.range.end
        _check_nested(item.children or ())


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


@pytest.mark.parametrize("seed", range(8))
def test_a_piece_taken_out(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(15):
        start = rng.randrange(len(GOOD))
        text = GOOD[:start] + GOOD[start + rng.randrange(1, 12) :]
        ask_everything(of(text), start)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["hvae 1", "extends", "let", "n", "=", "{", "}", "(", ")", "[", "]", ",", "*", "@", "$",
                                 "$n", "16", "16x", "16d2", "32m16", "model", "encoder", "data", "dataset", "cifar10",
                                 '"', '"a"', "#", "\n", "\r\n", "🦆", "-", ":", "1e9", "widths"]), max_size=25),
       st.data())  # fmt: skip
def test_any_words_in_any_order(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    offset = data.draw(st.integers(0, len(text)))
    ask_everything(of(text), offset)
    ask_everything(uncompiled(text), offset)
