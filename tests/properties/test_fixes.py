"""Fixes of damaged specs: they come to an end, and a safe one removes its finding and brings no error."""

from __future__ import annotations

import random

import pytest

from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_source
from hvaedsl.lint.fixes import apply_fixes
from hvaedsl.lint.texts import Texts

from .damage import damaged, texts
from .linting import Lint, errors, kinds, texts_of
from .profile import LONG

TEXTS = texts()
SEEDS = range(20_000) if LONG else range(400)


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
    before = texts_of(text)
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
