"""Texts that are large: how long a request takes grows with them, and not with their square."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import pytest

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.completion import complete
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.rewrites import rewrites
from hvaedsl.lsp.semantic_tokens import semantic_tokens
from tests.lsp.texts import analyze, analyzed

# Of what compiling the long list takes in the same run: several times what each takes, and a small part of what a
# square takes.
PATIENCE = 20
LIST = ", ".join(["32x1"] * 3000)
WALK = ", ".join(["1x1", "32x1"] * 1500)
LONG_LIST = f"""\
hvae 1
data {{ dataset = cifar10 }}
model {{ width = 8  latent = 2  encoder = {LIST}, 32d32, 1x1  decoder = {WALK} }}
"""


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


@pytest.fixture(scope="module")
def patience() -> float:
    """The most seconds of a request."""
    return PATIENCE * seconds(lambda: analyzed(LONG_LIST))


@pytest.fixture(scope="module")
def long_list() -> AnalyzedText:
    return analyzed(LONG_LIST)


@pytest.mark.parametrize("letter", ["a", "é", "🦆"])
def test_places_on_a_long_line(letter: str) -> None:
    lines = Lines("#" + letter * 1_000_000)
    places = [lines.position(offset) for offset in range(0, 1_000_000, 500)]
    assert [lines.offset(place) for place in places] == list(range(0, 1_000_000, 500))
    assert seconds(lambda: [lines.offset(lines.position(offset)) for offset in range(0, 1_000_000, 500)]) < 1


def test_colors_of_a_long_list(long_list: AnalyzedText, patience: float) -> None:
    assert seconds(lambda: semantic_tokens(long_list)) < patience


def test_hints_of_a_long_list(long_list: AnalyzedText, patience: float) -> None:
    assert len(inlay_hints(long_list, 0, len(long_list.text))) == 3001
    assert seconds(lambda: inlay_hints(long_list, 0, len(long_list.text))) < patience


def test_more_tokens_than_a_spec_may_have_are_not_read(patience: float) -> None:
    text = "hvae 1\nmodel {\n" + "k=1\n" * 250_000 + "}"
    found = analyze(Source("spec.hvae", text))
    assert [item.code for item in found.diagnostics] == ["HV117"]
    assert seconds(lambda: semantic_tokens(found)) < patience
    assert complete(found, len(text) - 2) == []
    assert hover(found, len(text) - 2) is None


def test_refactorings_of_a_text_with_many_names(patience: float) -> None:
    uses = ", ".join(["$stage", "8r$n"] * 2000)
    text = f"hvae 1\nlet n = 3\nlet stage = (8x1, 8r$n)\nmodel {{ encoder = {uses} }}\n"
    found = analyzed(text)
    assert seconds(lambda: rewrites(found, text.index("$stage") + 1, text.index("$stage") + 1)) < patience
