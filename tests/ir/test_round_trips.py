"""Printed forms: the resolved spec compiles to the same program, a printed bridge parses back to the same bridge."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hvaedsl
from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.bridge import Bridge, Head, Stem
from hvaedsl.ir.bridge_text import bridge_json, bridge_text, parse_bridge
from hvaedsl.ir.spec_text import flat_values, spec_json, string_text, value_text
from hvaedsl.shipped import shipped
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value

SPECS = sorted(path.name for path in shipped("specs").glob("*.hvae") if path.stem != "vdvae")


def same(first: hvaedsl.Program, second: hvaedsl.Program) -> None:
    assert second.spec.model_copy(update={"name": first.spec.name}) == first.spec
    assert second.bridge == first.bridge


def test_flat_values_are_those_that_are_shown_without_places() -> None:
    program = hvaedsl.load("ffhq1024")
    values = flat_values(program.spec)
    assert values["model.width"] == program.spec.model.width
    assert values["model.encoder"] == str(program.spec.model.encoder)
    assert values["model.widths"] == value_text(program.spec.model.widths)
    assert values["train.betas"] == "0.9, 0.9"
    assert values["model.likelihood"] == str(program.spec.model.likelihood)
    assert "data.path" not in values
    text = program.resolved_text()
    assert all(f"{key.rpartition('.')[2]} " in text for key in values)
    assert len(json.dumps(values)) < 4_000


@pytest.mark.parametrize("name", SPECS)
def test_shipped_specs(name: str) -> None:
    program = hvaedsl.load(name)
    same(program, hvaedsl.loads(program.resolved_text()))
    assert parse_bridge(bridge_text(program.bridge)) == program.bridge
    json.dumps([bridge_json(program.bridge), spec_json(program.spec)], allow_nan=False)


@st.composite
def stacks(draw: st.DrawFn) -> tuple[int, str, str]:
    """An image resolution, and an encoder and a decoder of the same hierarchy."""
    levels = [draw(st.integers(1, 3))]
    for factor in draw(st.lists(st.integers(2, 3), min_size=0, max_size=3)):
        levels.append(levels[-1] * factor)
    down = levels[::-1]

    def blocks(resolution: int) -> list[str]:
        items = []
        for _ in range(draw(st.integers(0, 2))):
            entry = f"{resolution}r{draw(st.integers(1, 3))}"
            item = draw(st.sampled_from([entry, f"{resolution}x{draw(st.integers(1, 3))}", str(resolution)]))
            count = draw(st.integers(1, 3))
            items.append(f"{count}*{item}" if draw(st.booleans()) else f"{count}*({item}, 2*({entry}))")
        return items

    encoder, decoder = [], [f"{levels[0]}x1"]
    for above, below in zip(down, [*down[1:], None], strict=True):
        encoder += blocks(above)
        encoder.append(f"{above}d{above // below}" if below is not None else f"{above}x1")
    for below, above in pairwise(levels):
        decoder += [*blocks(below), f"{above}m{below}"]
    decoder += blocks(levels[-1])
    return down[0], ", ".join(encoder), ", ".join(decoder)


numbers = st.floats(1e-12, 1e12, allow_nan=False).map(lambda number: repr(number))


@settings(max_examples=60, deadline=None)
@given(
    stack=stacks(),
    width=st.integers(1, 300),
    likelihood=st.sampled_from(["bernoulli", "mixture_of_logistics(3)", "mixture_of_logistics(2, bits = 5)"]),
    bottleneck=st.floats(1e-6, 1),
    rate=numbers,
    skip=st.one_of(st.just("none"), numbers),
    betas=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    temperature=st.one_of(numbers, st.dictionaries(st.integers(1, 99), st.floats(0.1, 2), max_size=3)),
    path=st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=20).filter(str.strip)),
    depth=st.one_of(st.none(), st.integers(1, 10**14)),
)
def test_the_resolved_text_compiles_alone_to_the_same_program(
    stack: tuple[int, str, str],
    width: int,
    likelihood: str,
    bottleneck: float,
    rate: str,
    skip: str,
    betas: tuple[float, float],
    temperature: object,
    path: str | None,
    depth: int | None,
) -> None:
    resolution, encoder, decoder = stack
    text = f"""hvae 1
    data {{ dataset = npy channels = 1 resolution = {resolution} }}
    model {{ width = {width} latent = 2 likelihood = {likelihood} bottleneck = {bottleneck!r}
      encoder = {encoder} decoder = {decoder} }}
    train {{ learning_rate = {rate} skip_above = {skip} betas = {betas[0]!r}, {betas[1]!r} }}
    """
    sets: dict[str, object] = {
        "sample.temperature": temperature if isinstance(temperature, str) else value_text(temperature),
        "data.path": "none" if path is None else string_text(path),
        "paper.depth": value_text(depth),
    }
    program = hvaedsl.loads(text, sets=sets)
    assert program.spec.data.path == path
    same(program, hvaedsl.loads(program.resolved_text()))
    assert parse_bridge(bridge_text(program.bridge)) == program.bridge


def test_the_status_of_a_likelihood_that_is_not_there_is_kept() -> None:
    text = """hvae 1
    data { dataset = digits }
    model { width = 8  latent = 2  encoder = 8x1  decoder = 8x1 }
    paper { nll_status = confirmed }
    """
    program = hvaedsl.loads(text)
    assert "nll_status = confirmed" in program.resolved_text()
    same(program, hvaedsl.loads(program.resolved_text()))
    assert "paper" not in hvaedsl.loads(text.replace("confirmed", "unverified")).resolved_text()


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_can_be_written_as_a_string(text: str) -> None:
    value, diagnostics = parse_value(Source("value", string_text(text)))
    assert diagnostics == ()
    assert isinstance(value, ast.String)
    assert value.value == text


BRIDGE = "bridge image_resolution=8 image_channels=1\n0 stem resolution=8 in_channels=1 channels=16 kernel=3\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("0 stem", 1),
        (BRIDGE + "2 stem resolution=8 in_channels=1 channels=16 kernel=3", 3),
        (BRIDGE + "1 foo x=1", 3),
        (BRIDGE + "1 pool resolution", 3),
        (BRIDGE + "1 pool resolution=8", 3),
        (BRIDGE + "1 stem resolution=eight in_channels=1 channels=16 kernel=3", 3),
        (BRIDGE + "1 stem resolution=8 in_channels=1 channels=16 kernel=3 colour=4", 3),
        (BRIDGE + "x", 3),
    ],
)
def test_what_is_no_printed_bridge(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line}: "):
        parse_bridge(text)


def test_equality_leaves_places_out() -> None:
    stem = Stem(resolution=8, in_channels=1, channels=16)
    head = Head(resolution=8, channels=16, outputs=1, image_channels=1, likelihood="bernoulli")
    first = Bridge(image_resolution=8, image_channels=1, operations=(stem, head))
    placed = Stem(resolution=8, in_channels=1, channels=16, span=Source("x", "8").span(0, 1))
    assert Bridge(image_resolution=8, image_channels=1, operations=(placed, head)) == first
