"""Specs drawn from the grammar and the schema: each compiles, prints, reads back, and survives formatting."""

from __future__ import annotations

import pytest
from hypothesis import given

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

    @examples(quick=600, long=1000)
    @given(spec=sound_specs())
    def draw(spec: SoundSpec) -> None:
        for dotted, text in spec.written.items():
            seen.setdefault(dotted, set()).add(text)

    draw()
    assert set(seen) == set(KEYS)
    for dotted, key in KEYS.items():
        kind = key.kind.of if isinstance(key.kind, Optional) else key.kind
        if isinstance(kind, Several):
            kind = kind.of
        if isinstance(kind, Choice):
            words = {word for text in seen[dotted] for word in text.strip("[]").split(", ")}
            assert words - {"none"} == set(kind.symbols) - {"none"}, dotted


@pytest.mark.parametrize("dotted", sorted(BOUND))
def test_what_is_drawn_together_is_in_the_schema(dotted: str) -> None:
    assert dotted in KEYS
    assert dotted.rpartition(".")[0] in SECTIONS
