"""Fixes of damaged specs: they come to an end, and a safe one removes its finding and brings no error."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_source
from hvaedsl.lint.check import Check
from hvaedsl.lint.fixes import apply_fixes
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.spec_files import Linted
from hvaedsl.lint.texts import Texts, place_of

from .damage import damaged, texts
from .profile import LONG

TEXTS = texts()
SEEDS = range(20_000) if LONG else range(400)


class Lint:
    """`hvaedsl lint` of the texts that come up while one text is fixed, each linted once."""

    def __init__(self) -> None:
        self.known: dict[str, Linted] = {}

    def __call__(self, texts: Texts) -> Linted:
        (source,) = texts.sources.values()
        if source.text not in self.known:
            self.known[source.text] = Check(Selection())(texts)
        return self.known[source.text]


def errors(found: tuple[Diagnostic, ...]) -> int:
    return sum(item.severity is Severity.ERROR for item in found)


def kinds(found: tuple[Diagnostic, ...]) -> Counter[tuple[str, str]]:
    return Counter((item.code, item.message) for item in found)


def assert_safe_fixes_help(before: Texts, lint: Lint) -> None:
    """Each safe fix by itself leads to a text with one such finding less, and without a new error."""
    found = lint(before).found
    for item in found:
        if item.fix is None or not item.fix.safe:
            continue
        fixed, _ = before.edited([item.fix])
        after = lint(fixed).found
        assert errors(after) <= errors(found), item
        kind = item.code, item.message
        assert kinds(after)[kind] < kinds(found)[kind], item


def check_fixes(text: str) -> None:
    """What holds of the fixes and of the formatting of any text."""
    source = Source("damaged.hvae", text)
    before = Texts({place_of(source): source})
    lint = Lint()
    found = lint(before).found
    assert_safe_fixes_help(before, lint)
    for unsafe in (False, True):
        fixed = apply_fixes(before, lint, unsafe=unsafe)
        if not unsafe:
            assert errors(fixed.linted.found) <= errors(found)
        assert not [item for item in fixed.linted.found if item.fix and item.fix.safe], "a safe fix is left"

    try:
        formatted = format_source(source)
    except SpecError:
        return
    assert format_source(Source("formatted.hvae", formatted)) == formatted


@pytest.mark.parametrize("part", range(4))
def test_fixes_of_damaged_specs(part: int) -> None:
    """Other seeds under `make fuzz`, and fifty times as many."""
    start = random.randrange(10**9) if LONG else 0
    for seed in SEEDS[part::4]:
        chance = random.Random(start + seed)
        text = damaged(chance.choice(TEXTS), chance)
        try:
            check_fixes(text)
        except Exception as error:
            raise AssertionError(f"seed {start + seed}: {error!r}\n{text!r}") from error
