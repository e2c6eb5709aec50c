"""Reading with what is known of an earlier text, or without the parser, gives the same as reading again."""

from __future__ import annotations

import copy
import pickle
import random
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.syntax import lexing, parser, plain_entries
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.references import references

from .damage import damaged, texts
from .profile import LONG, examples
from .spec_strategy import SoundSpec, sound_specs

SEEDS = range(1000 if LONG else 12)
LISTS = """\
hvae 1
let s = (8x1, 2*8r$n, $t, 8x1@a, $t@b, 32x1)
model {
  encoder = 8x1, 2*(8x2, 4x1, $s, 3), [1, 2, 3, $n], f(1, 2, 3, a=4, 5), {1: 2, 3: 4}, 8x1@g, 2*$s, 3*2, 1.5, 8x1
  decoder = 1x1, $base, 2*$s, 8x1, 99999999999999999x1, 8x1, 7, -8x1, 8x$n, 8r, 8x1, 8r($n), 8x1, 8x1 + 1, 8x1@b*2, 8x1
}
"""


def whole(item: Any) -> Any:
    """Everything in a record, with the places, which records do not compare."""
    match item:
        case Source():
            return item.name
        case Record():
            return type(item).__name__, [whole(getattr(item, field.name)) for field in fields(item)]
        case tuple() | list():
            return [whole(inner) for inner in item]
        case frozenset():
            return sorted(item)
    return item


def assert_same_tokens(text: str) -> None:
    found, anew = (
        [(t.type, str(t), t.start_pos, t.end_pos) for t in tokens]
        for tokens in (lexing.lex(text), hvae_parser().lex(text))
    )
    assert found == anew, text


def assert_same_document(text: str) -> None:
    """The document and the diagnostics of a text, and of a value, with and without the parser for plain entries."""
    source, value = Source("spec.hvae", text), Source("--set", text.partition("=")[2].partition("\n")[0])
    found = whole((parser.parse_document(source), parser.parse_value(value)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "skip_plain_entries", lambda _parser, _tokens, at: at)
        assert found == whole((parser.parse_document(source), parser.parse_value(value))), text


@pytest.fixture(autouse=True)
def short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of any length are remembered."""
    monkeypatch.setattr(lexing, "_SHORTEST", 0)
    monkeypatch.setattr(lexing, "_remembered", 6)


@pytest.mark.parametrize("seed", SEEDS)
def test_edits_of_damaged_texts(seed: int) -> None:
    chance = random.Random(seed)
    text = chance.choice([LISTS, *texts()])
    for _ in range(12):
        assert_same_tokens(text)
        assert_same_document(text)
        assert_same_tokens(text[: chance.randrange(len(text) + 1)])
        text = damaged(text, chance)


@given(sound_specs(), st.integers(0, 2**32))
@examples(quick=15, long=2000)
def test_edits_of_drawn_texts(sound: SoundSpec, seed: int) -> None:
    chance = random.Random(seed)
    text = sound.text
    for _ in range(4):
        assert_same_tokens(text)
        assert_same_document(text)
        text = damaged(text, chance)


def test_entries_that_are_built_later_are_found() -> None:
    entries = ", ".join(["32x1", "8r$n", "2*$s"] * 50)
    document = parser.parse_document(Source("spec.hvae", f"hvae 1\nmodel {{ encoder = {entries} }}")).document
    assert len(list(references(document))) == 100
    copied = copy.copy(document.statements[1])
    assert copied == document.statements[1]
    assert pickle.loads(pickle.dumps(document)) == document


def test_plain_entries_are_read_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(_parser: Any, tokens: Any, at: int) -> int:
        ends.append(at)
        return skip(_parser, tokens, at)

    ends: list[int] = []
    skip = plain_entries.skip_plain_entries
    monkeypatch.setattr(parser, "skip_plain_entries", count)
    parser.parse_document(
        Source("spec.hvae", f"hvae 1\nmodel {{ encoder = {', '.join(['32x1', '2*8r$n', '$s@g'] * 500)} }}")
    )
    assert len(ends) < 5


def test_what_follows_far_behind_a_token_changes_it() -> None:
    for text in (
        "a = 1.5e",
        "a = 1.5e+",
        "a = 1.5e+2",
        "a = 1.5e+2x",
        "b # c\n",
        "b # c\n = 1",
        "b # c\n = 3 epochs",
        "b = 3 epochs # c\n = 2",
    ):
        assert_same_tokens(text)
    assert_same_tokens("\ufeffhvae 1")
    assert_same_tokens("\ufeffhvae 1\ufeff")
    assert_same_tokens("hvae 1\ufeff\ufeff")
