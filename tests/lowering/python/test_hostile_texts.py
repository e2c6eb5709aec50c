"""Texts of a spec reach the source of a model as constants, comments and one checked name, and as nothing else."""

from __future__ import annotations

import ast
import dataclasses
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hvaedsl
from hvaedsl.lowering.plan import Plan
from hvaedsl.lowering.python.loops import Statement, lines_of, quoted
from hvaedsl.lowering.python.model_text import About
from hvaedsl.lowering.python.source import module_source, python_source

ATTACK = "raise SystemExit('executed')"
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="\"'\\\n\r\x00\x0b\x0c\x1c\x85\u2028\u202e#{}():;= a_0", max_size=60),
    st.sampled_from(
        [
            f'"""\n{ATTACK}\n"""',
            f"\\\n{ATTACK}",
            f"\r{ATTACK}",
            f"\x0c{ATTACK}",
            f"x\n# coding: utf-7\n{ATTACK}",
            f"{{{ATTACK}}}",
            f'"; {ATTACK}; "',
            "__import__('os').abort()",
            "\ud800",
        ]
    ),
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    text = """hvae 1
data { dataset = npy  channels = 1  resolution = 8 }
model { width = 4  latent = 2  likelihood = bernoulli  encoder = 8x2, 8d2, 4r2@g  decoder = 4r2, 8m4, 8x3 }
"""
    return hvaedsl.loads(text).plan()


def shape_of(text: str) -> str:
    """The tree of a source without its constants, and without the name of its last class."""
    tree = ast.parse(text.encode())
    cast(ast.ClassDef, tree.body[-1]).name = "_"
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = None
            node.kind = None
    return ast.dump(tree)


@settings(max_examples=30, deadline=None)
@given(name=HOSTILE, spec_text=HOSTILE, reason=HOSTILE)
@example(name='"""', spec_text="a\x00b", reason="'\"")
def test_names_specs_and_messages(plan: Plan, name: str, spec_text: str, reason: str) -> None:
    plain, hostile = About("plain", 1, "plain"), About(name, 1, reason)
    ours = module_source(plan, hostile)
    assert shape_of(ours.text) == shape_of(module_source(plan, plain).text)
    assert cast(ast.ClassDef, ast.parse(ours.text).body[-1]).name == ours.class_name
    assert ours.class_name.isidentifier()
    emitted = python_source(plan, hostile, spec_text=spec_text, version="0")
    assert shape_of(emitted) == shape_of(python_source(plan, plain, spec_text="plain", version="0"))
    assert reason in [node.value for node in ast.walk(ast.parse(emitted)) if isinstance(node, ast.Constant)]


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.one_of(HOSTILE, st.sampled_from(["r8_0", "r8_1", "r8_2", "r8_3"])), min_size=1, max_size=6))
def test_names_of_blocks(plan: Plan, names: list[str]) -> None:
    """Even names that no spec can have come out of the written loops as they went in."""
    lines = lines_of([Statement("found.append", ("{}",), (name,)) for name in names], "")
    found: list[str] = []
    exec("\n".join(lines), {"found": found, "__builtins__": {"range": range}})
    assert found == names
    assert all(ast.literal_eval(quoted(name)) == name for name in names)

    renamed = dataclasses.replace(plan, decoder_blocks=(dataclasses.replace(plan.decoder_blocks[0], name=names[0]),))
    calls = ast.parse(module_source(renamed, About("plain", 1, None)).text)
    assert names[0] in [node.value for node in ast.walk(calls) if isinstance(node, ast.Constant)]


def test_custom_references_are_handed_in_and_never_written(plan: Plan) -> None:
    blocks = tuple(dataclasses.replace(block, cell="class.lambda:None") for block in plan.decoder_blocks)
    text = module_source(dataclasses.replace(plan, decoder_blocks=blocks), About("x", None, None)).text
    assert "lambda" not in text
    ast.parse(text)
