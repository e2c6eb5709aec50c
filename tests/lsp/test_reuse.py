"""Results of earlier texts that are used again are those of a server that has seen no earlier text."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
from lsprotocol.types import PositionEncodingKind

from benchmarks.editor_session import based_texts, long_texts, named_texts
from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp import block_completion, placed_tokens
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.completion import complete
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.semantic_tokens import semantic_tokens
from hvaedsl.syntax import lexing

T = TypeVar("T")
PIECES = ["16x2, ", ", 32r$n", "@a", "2*(16x1, ", ")", "}", "{", ",", "$n", "$s1, ", "let k = 2\n", "16m", '"', "# x\n"]
MODEL = long_texts(30)["spec.hvae"].replace('extends "base.hvae"', "let n = 3\ndata { dataset = cifar10 }")
TEXTS = [MODEL, named_texts()["spec.hvae"][:700], based_texts()["root.hvae"][:500] + "\n}"]


def anew(work: Callable[[], T]) -> T:
    """The result without anything that was remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexing, "_recent", ())
        patch.setattr(placed_tokens, "_recent", ())
        patch.setattr(block_completion, "_recent_walks", ())
        patch.setattr(block_completion, "_recent_encoders", ())
        return work()


def edited(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    if chance.random() < 0.4:
        return text[:at] + text[at + chance.randrange(1, 6) :]
    return text[:at] + chance.choice(PIECES) + text[at:]


def fresh(text: str) -> AnalyzedText:
    return AnalyzedText(Source("spec.hvae", text), Lines(text, PositionEncodingKind.Utf16))


@pytest.mark.parametrize("seed", range(12))
def test_edits(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(lexing, "_SHORTEST", 0)
    monkeypatch.setattr(lexing, "_remembered", 6)
    monkeypatch.setattr(placed_tokens, "_STEP", 4)
    chance = random.Random(seed)
    first = text = chance.choice(TEXTS)
    for _ in range(12):
        offset = chance.randrange(len(text) + 1)
        for at in (offset, min(len(text), offset + 1)):
            assert complete(fresh(text), at) == anew(partial(complete, fresh(text), at)), (text, at)
        assert semantic_tokens(fresh(text)) == anew(partial(semantic_tokens, fresh(text))), text
        text = first if chance.random() < 0.2 else edited(text, chance)


def test_entries_that_were_read_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = block_completion._read

    def record(analyzed: AnalyzedText, key: str, text: str) -> object:
        read.append(text)
        return whole(analyzed, key, text)

    monkeypatch.setattr(block_completion, "_read", record)
    at = MODEL.index("32d2")
    complete(fresh(MODEL), at)
    read.clear()
    complete(fresh(MODEL[:at] + "32x2, " + MODEL[at:]), at + 6)
    assert [text.strip() for text in read] == ["32x2"]
