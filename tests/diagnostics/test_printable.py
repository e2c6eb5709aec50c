"""Text from outside in one line: what it has of control characters and bytes is shown as an escape."""

from __future__ import annotations

import os

import pytest

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.diagnostics.printable import indented, joined, printable, printable_lines, printable_message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 日本語 😄", "plain ünï 日本語 😄"),
        ("a\tb", "a b"),
        ("a\nb\r", r"a\nb\r"),
        ("\x1b[31m\x07\x00", r"\x1b[31m\x07\x00"),
        ("\x85\u202e\u200b\u2028", r"\x85\u202e\u200b\u2028"),
        (os.fsdecode(b"caf\xe9.hvae"), r"caf\xe9.hvae"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_several_lines() -> None:
    assert printable_lines("a\n\x1b\n  b") == "a\n\\x1b\n  b"


def test_a_line_break_of_a_name_is_none_of_a_message() -> None:
    assert printable_message("2 paths\n  a\nb: missing\n  c\n help: x") == "2 paths\n  a\\nb: missing\n  c\\n help: x"


def test_line_breaks_in_the_text_of_another_program_are_those_of_the_message() -> None:
    text = "fatal: no\r\n\n\tcall:\nthis \x1b\n"
    assert printable_message(f"git: {indented(text)}") == "git: fatal: no\n  call:\n  this \\x1b"
    assert joined(ValueError(" a\n\tb  c\n")) == "a b c"
    assert printable_message(CompilerBug.of(ValueError("a\nb")).report).splitlines()[1] == "  b"
