"""What holds of every program, however it came about: its printed forms give it back."""

from __future__ import annotations

import json
import math

import hvaedsl
from hvaedsl.diagnostics.span import Source
from hvaedsl.diff.compare import compare
from hvaedsl.fmt import format_text
from hvaedsl.ir.bridge_text import bridge_json, bridge_text, parse_bridge
from hvaedsl.ir.spec_text import spec_json
from hvaedsl.program import compile_source


def compiled(text: str) -> hvaedsl.Program:
    """The program of a text that has no error; the findings are shown where it has one."""
    compilation = compile_source(Source("<text>", text))
    assert compilation.program is not None, [(item.code, item.message, item.span) for item in compilation.diagnostics]
    return compilation.program


def assert_same(first: hvaedsl.Program, second: hvaedsl.Program) -> None:
    assert second.spec.model_copy(update={"name": first.spec.name}) == first.spec
    assert second.bridge == first.bridge
    assert second.cost == first.cost
    assert compare(first, second).is_empty


def assert_prints_and_reads_back(program: hvaedsl.Program) -> None:
    """The resolved text compiles alone to the same program, and the printed bridge parses back to the same bridge."""
    again = compiled(program.resolved_text())
    assert_same(program, again)
    assert again.resolved_text() == program.resolved_text()
    assert parse_bridge(bridge_text(program.bridge)) == program.bridge
    for plain in (bridge_json(program.bridge), spec_json(program.spec)):
        written = json.dumps(plain, allow_nan=False)
        assert json.loads(written) == json.loads(json.dumps(json.loads(written)))


def assert_cost_is_finite(program: hvaedsl.Program) -> None:
    cost = program.cost
    numbers = [cost.parameters, cost.stochastic_depth, cost.latents, cost.flops_per_image]
    numbers += [cost.activation_bytes(1), cost.activation_bytes(8, "bfloat16")]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    assert sum(row.blocks for row in cost.rows) > 0


def assert_formats(text: str, program: hvaedsl.Program) -> None:
    """`fmt` twice is `fmt` once, and changes nothing of the program."""
    formatted = format_text(text)
    assert format_text(formatted) == formatted
    assert_same(program, compiled(formatted))
