"""Refactorings of drawn specs: the resolved spec stays equal, comments stay, and a formatted text stays formatted."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_text
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.paths import children, span_of
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.rewrites import rewrites
from hvaedsl.syntax import ast

from .profile import examples
from .spec_strategy import SoundSpec, sound_specs

STEPS = 3
COMMENT = re.compile(r"#[^\r\n]*")


def nodes(node: ast.Node) -> Iterator[ast.Node]:
    """A node and all inside it."""
    yield node
    for inner in children(node):
        yield from nodes(inner)


def selections(found: AnalyzedText, chance: random.Random) -> Iterator[tuple[int, int]]:
    """Cursors and selections at expressions, at entries, and at adjacent entries."""
    all_nodes = [inner for item in found.statements for inner in nodes(item)]
    for node in chance.sample(all_nodes, min(3, len(all_nodes))):
        span = span_of(node)
        yield span.start, span.end
        yield span.start, span.start
    lists = [node for node in all_nodes if isinstance(node, ast.List | ast.Group)]
    for node in chance.sample(lists, min(2, len(lists))):
        first, last = sorted(chance.choices(range(len(node.items)), k=2))
        yield node.items[first].span.start, node.items[last].span.end
    names = [node for node in all_nodes if isinstance(node, ast.Reference)]
    for node in chance.sample(names, min(2, len(names))):
        yield node.span.start, node.span.start


def analyzed(text: str, path: Path | None = None) -> AnalyzedText:
    source = Source("drawn.hvae", text, path)
    return AnalyzedText(source, Lines(text))


def check_rewrites(text: str, chance: random.Random) -> Counter[str]:
    """Refactor a text again and again, each time in one of the ways that are offered; the kinds that were seen."""
    spec = hvaedsl.loads(text).spec
    seen: Counter[str] = Counter()
    for _ in range(STEPS):
        found = analyzed(text)
        is_formatted = format_text(text) == text
        made = [each for start, end in selections(found, chance) for each in rewrites(found, start, end)]
        for rewrite, edits in made:
            after = edited(text, edits)
            assert hvaedsl.loads(after).spec == spec, (rewrite.title, text, after)
            lost = Counter(COMMENT.findall(text)) - Counter(COMMENT.findall(after))
            assert not lost, (rewrite.title, lost)
            assert not is_formatted or format_text(after) == after, rewrite.title
            seen[rewrite.kind.value] += 1
        if not made:
            break
        rewrite, edits = chance.choice(made)
        text = edited(text, edits)
    return seen


@examples(quick=8, long=3000)
@given(sound_specs(), st.randoms(use_true_random=False), st.booleans())
def test_refactorings_keep_the_resolved_spec(drawn: SoundSpec, chance: random.Random, is_formatted: bool) -> None:
    check_rewrites(format_text(drawn.text) if is_formatted else drawn.text, chance)


def test_every_kind_is_tried() -> None:
    """Of a spec with runs, numbers and names, each kind of refactoring is offered, and keeps the spec."""
    text = """hvae 1
let n = 3
data { dataset = digits }
model {
  width = 8 + 8  latent = 2*2
  encoder = 8r$n, 8x1, 8r$n, 8x1, 8d2, 2*4, 4r2@low
  decoder = 4x1, 2*(4r$n, 4x1), 4r$n, 4x1, 8m4, 8
}
"""
    seen: Counter[str] = Counter()
    for seed in range(6):
        seen += check_rewrites(text, random.Random(seed))
    assert set(seen) == {"refactor.extract", "refactor.inline", "refactor.rewrite"}
    assert min(seen.values()) > 3


CHILD = """hvae 1
extends "base.hvae"

model {
  encoder = $base
  decoder = (1*$base)
}
"""


@examples(quick=6, long=2000)
@given(sound_specs(), st.randoms(use_true_random=False))
def test_refactorings_of_a_spec_with_a_base_keep_the_resolved_spec(drawn: SoundSpec, chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base, path = Path(folder) / "base.hvae", Path(folder) / "child.hvae"
        base.write_text(drawn.text, encoding="utf-8", newline="")
        spec = hvaedsl.loads(CHILD, path=path).spec
        text = CHILD
        for place in ("$base\n", "$base)"):
            found = analyzed(text, path)
            (made,) = rewrites(found, text.index(place), text.index(place))
            text = edited(text, made[1])
            assert "replace `$base`" in made[0].title
            assert hvaedsl.loads(text, path=path).spec == spec, text
        found = analyzed(text, path)
        for start, end in selections(found, chance):
            for rewrite, edits in rewrites(found, start, end):
                assert hvaedsl.loads(edited(text, edits), path=path).spec == spec, rewrite.title
