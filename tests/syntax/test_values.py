"""One value alone, as `--set` reads it: what it is, and where its parts stand."""

from __future__ import annotations

import math

import pytest

from hvaedsl.diagnostics.span import Source
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value


def read(text: str) -> ast.Value:
    value, diagnostics = parse_value(Source("value", text))
    assert diagnostics == ()
    assert value is not None
    return value


def codes(text: str) -> list[str]:
    return [item.code for item in parse_value(Source("value", text))[1]]


@pytest.mark.parametrize(
    ("text", "number"),
    [("384", 384), ("1_000", 1000), ("250k", 250_000), ("1M", 1_000_000), ("1_0k", 10_000), ("007", 7)],
)
def test_whole_numbers(text: str, number: int) -> None:
    value = read(text)
    assert isinstance(value, ast.Integer)
    assert (value.value, value.suffixed) == (number, text[-1] in "kM")


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), (".5", 0.5), ("2e4", 2e4), ("2e-4", 2e-4), ("2E+4", 2e4), ("1_000.5", 1000.5), ("1e999", math.inf)],
)
def test_a_float_comes_before_a_block(text: str, number: float) -> None:
    value = read(text)
    assert isinstance(value, ast.Float)
    assert value.value == number


def test_a_block_and_its_parts() -> None:
    block = read("32r12")
    assert isinstance(block, ast.Block)
    assert (block.resolution, block.operator) == (32, "r")
    assert isinstance(block.argument, ast.Integer)
    assert block.argument.value == 12
    spans = (block.resolution_span, block.operator_span, block.argument.span, block.span)
    assert [(span.text, span.column, span.end_column) for span in spans] == [
        ("32", 1, 3),
        ("r", 3, 4),
        ("12", 4, 6),
        ("32r12", 1, 6),
    ]


def test_a_block_with_a_constant() -> None:
    block = read("32r$n")
    assert isinstance(block, ast.Block)
    assert isinstance(block.argument, ast.Reference)
    assert (block.argument.name, block.argument.span.column, block.argument.span.end_column) == ("n", 4, 6)


@pytest.mark.parametrize(("text", "operator"), [("32q12", "q"), ("32xyz1", "xyz"), ("32e", "e"), ("8k2", "k")])
def test_a_block_is_read_loosely(text: str, operator: str) -> None:
    block = read(text)
    assert isinstance(block, ast.Block)
    assert block.operator == operator


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a b"', "a b"),
        ('""', ""),
        (r'"\""', '"'),
        (r'"\\"', "\\"),
        (r'"\\n"', r"\n"),
        (r'"a\nb\tc"', "a\nb\tc"),
        ('"# no comment"', "# no comment"),
        ('"日本"', "日本"),
    ],
)
def test_strings(text: str, value: str) -> None:
    assert read(text) == ast.String(value, read(text).span)


def test_an_unknown_escape_is_told_at_the_backslash() -> None:
    _, (found,) = parse_value(Source("value", r'"D:\faces"'))
    assert (found.code, found.span.text, found.span.column) == ("HV118", r"\f", 4)


def test_calls_maps_and_lists() -> None:
    call = read("f(10, -1, bits = 5)")
    assert isinstance(call, ast.Call)
    assert [type(item) for item in call.arguments] == [ast.Integer, ast.Negative, ast.NamedArgument]
    assert read("f()") == ast.Call(ast.Name("f", call.span), (), call.span)
    table = read("{512: 32, a: [1, 2]}")
    assert isinstance(table, ast.Map)
    assert [type(entry.key) for entry in table.entries] == [ast.Integer, ast.Name]
    assert isinstance(table.entries[1].value, ast.List)
    assert read("{}") == ast.Map((), table.span)
    assert read("[]") == ast.List((), table.span)
    assert read("1, 2") == read("[1, 2]")
    assert isinstance(read("1"), ast.Integer)


@pytest.mark.parametrize("text", ["encoder.stem", "decoder.blocks.r8_0.layers.0.weight", "a.1"])
def test_a_name_with_dots_is_one_word(text: str) -> None:
    assert read(text) == ast.Symbol(text, read(text).span)
    table = read(f"{{{text}: 0.5, other: 1}}")
    assert isinstance(table, ast.Map)
    assert [entry.key.text for entry in table.entries if isinstance(entry.key, ast.Name)] == [text, "other"]
    several = read(f"a, {text}")
    assert isinstance(several, ast.List)
    assert [item.span.text for item in several.items] == ["a", text]


@pytest.mark.parametrize("text", ["20 epochs", "1_000  epochs", "$n epochs"])
def test_a_number_of_epochs_is_one_word(text: str) -> None:
    value = read(text)
    assert isinstance(value, ast.Epochs)
    assert value.count.span.text == text.split()[0]
    count = value.count
    assert (count.name if isinstance(count, ast.Reference) else count.value) in ("n", 20, 1000)


def test_a_label_binds_tighter_than_a_repetition() -> None:
    value = read("3*8r1@g")
    assert isinstance(value, ast.Repeated)
    assert isinstance(value.body, ast.Labeled)
    assert isinstance(read("(8r1, 8x2)@g"), ast.Labeled)
    group = read("$k*(8x1, 2*(4x1))")
    assert isinstance(group, ast.Repeated)
    assert isinstance(group.count, ast.Reference)
    assert isinstance(group.body, ast.Group)


def test_space_and_comments_only_separate() -> None:
    assert read("32r12,32r12 , 32d2") == read("32r12,\n  32r12 # two\r\n\t,\f32d2 # end")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "HV101"),
        ("1,", "HV101"),
        ("1 2", "HV101"),
        ("(1", "HV101"),
        ("1)", "HV101"),
        ("2*", "HV101"),
        ("2 +", "HV101"),
        ("+ 2", "HV101"),
        ("2 + * 3", "HV101"),
        ("8r ($n)", "HV101"),
        ("4d4 (1x1)", "HV101"),
        ("32r4($m)", "HV101"),
        ("1" + "+1" * 66, "HV109"),
        ("-" * 66 + "1", "HV109"),
        ("1" * 16 + " epochs", "HV115"),
        ("8x1@", "HV101"),
        ("8x1@g@h", "HV101"),
        ("8X1", "HV110"),
        ("1.2.3", "HV110"),
        ("1_x2", "HV110"),
        ("٣", "HV102"),
        ("3²", "HV102"),
        ("8×1", "HV102"),
        ("$", "HV102"),
        ("x;", "HV125"),
        ('"a', "HV114"),
        ("1" * 16, "HV115"),
        ("1" * 16 + "k", "HV115"),
        ("8x" + "1" * 16, "HV115"),
        ("{" + "1" * 16 + ": 1}", "HV115"),
        ("1" * 16 + "*8x1", "HV115"),
    ],
)
def test_what_is_no_value(text: str, code: str) -> None:
    assert codes(text) == [code]
