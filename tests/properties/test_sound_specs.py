"""Specs drawn from the grammar and the schema: each compiles, prints, reads back, and survives formatting."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.errors import NoSuchExample

from hvaedsl.ir.kinds import Choice, Optional, Several
from hvaedsl.ir.spec import SECTIONS

from .printed_forms import assert_cost_is_finite, assert_formats, assert_prints_and_reads_back, compiled
from .profile import examples
from .spec_strategy import BOUND, KEYS, SoundSpec, sound_specs


@examples(quick=60, long=1800)
@given(spec=sound_specs())
def test_a_sound_spec_compiles_and_its_printed_forms_give_it_back(spec: SoundSpec) -> None:
    program = compiled(spec.text)
    assert program.cost.stochastic_depth == spec.stochastic_depth
    assert_prints_and_reads_back(program)
    assert_cost_is_finite(program)


@examples(quick=60, long=1800)
@given(spec=sound_specs())
def test_formatting_a_sound_spec_changes_nothing_but_its_looks(spec: SoundSpec) -> None:
    assert_formats(spec.text, compiled(spec.text))


@examples(quick=10, long=300)
@given(spec=sound_specs())
def test_a_picture_of_a_sound_spec_can_be_written(spec: SoundSpec) -> None:
    program = compiled(spec.text)
    assert program.dot().startswith("digraph")


def test_every_key_is_drawn_and_every_symbol_of_a_choice() -> None:
    """Else the tests above would say nothing of a key that comes along."""
    seen: dict[str, set[str]] = {}

    def is_the_last(spec: SoundSpec) -> bool:
        """Whether nothing is left to draw after this spec."""
        for dotted, text in spec.written.items():
            seen.setdefault(dotted, set()).add(text)
        return set(seen) >= set(KEYS) and not any(map(undrawn, seen, seen.values()))

    # A seed with which few specs are enough; another one may need all of them.
    drawn = settings(examples(quick=600, long=1000), phases=[Phase.generate])
    with suppress(NoSuchExample):
        find(sound_specs(), is_the_last, settings=drawn, random=Random(2))
    assert set(seen) == set(KEYS)
    for dotted, texts in seen.items():
        assert undrawn(dotted, texts) == set(), dotted


def undrawn(dotted: str, texts: set[str]) -> set[str]:
    """The symbols of a choice that none of its texts has, and the words of these texts that are no symbol of it."""
    key = KEYS[dotted]
    kind = key.kind.of if isinstance(key.kind, Optional) else key.kind
    if isinstance(kind, Several):
        kind = kind.of
    if not isinstance(kind, Choice):
        return set()
    words = {word for text in texts for word in text.strip("[]").split(", ")}
    return (words ^ set(kind.symbols)) - {"none"}


@pytest.mark.parametrize("dotted", sorted(BOUND))
def test_what_is_drawn_together_is_in_the_schema(dotted: str) -> None:
    assert dotted in KEYS
    assert dotted.rpartition(".")[0] in SECTIONS
