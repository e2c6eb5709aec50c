"""A mistake gives at most three errors, in specs of both parts of the language."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_source
from hvaedsl.program import compile_source

from .damage import edited_once, texts
from .profile import LONG

MOST = 3
SEEDS = range(100_000) if LONG else range(1_000)
NAMED = """hvae 1
let n = 3
let m = 2*$n - 4/2
let stage = (32x1, 2*(32x2), 32r($m - 1))
let down = ($stage, 32d2)
data { dataset = cifar10 }
model {
  width = 8*$m + 16
  latent = {16: 0, other: (8)*2}
  encoder = $down, 16d16, 1
  decoder = 1, 16m1, 32m16, 2*$stage, 32r$n@g, 32r($n - 2)@g
}
"""


def errors(text: str) -> list[str]:
    found = compile_source(Source("damaged.hvae", text)).diagnostics
    return [item.code for item in found if item.severity is Severity.ERROR]


def sound() -> list[str]:
    """The shipped specs, the good snippets, and specs of the second part, these as often as the others together."""
    readers = Path(__file__).parents[2] / "benchmarks" / "readers"
    second = [NAMED, *(path.read_text(encoding="utf-8") for path in sorted(readers.glob("*.hvae")))]
    first = texts()
    return [text for text in (*first, *second * (len(first) // len(second))) if not errors(text)]


@pytest.mark.parametrize("part", range(2))
def test_a_mistake_gives_few_errors(part: int) -> None:
    """Other seeds under `make fuzz`, and a hundred times as many."""
    start = random.randrange(10**9) if LONG else 0
    given = sound()
    worse = []
    for seed in range(start + part, start + len(SEEDS), 2):
        chance = random.Random(seed)
        text, places = chance.choice(given), 0
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            text, changed = edited_once(text, chance)
            places += changed

        found = errors(text)
        if len(found) > MOST * places:
            worse.append((seed, places, found, text))
        try:
            formatted = format_source(Source("damaged.hvae", text))
        except SpecError:
            continue
        assert format_source(Source("formatted.hvae", formatted)) == formatted, seed
    assert worse == []
