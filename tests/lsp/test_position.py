"""Positions in the three encodings, with astral characters and every line end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position, PositionEncodingKind

from hvaedsl.lsp.position import Lines

ENCODINGS = (PositionEncodingKind.Utf8, PositionEncodingKind.Utf16, PositionEncodingKind.Utf32)
UNITS = {
    PositionEncodingKind.Utf8: lambda text: len(text.encode()),
    PositionEncodingKind.Utf16: lambda text: len(text.encode("utf-16-le")) // 2,
    PositionEncodingKind.Utf32: len,
}


@pytest.mark.parametrize(("encoding", "column"), list(zip(ENCODINGS, (9, 6, 5), strict=True)))
def test_columns_count_code_units(encoding: PositionEncodingKind, column: int) -> None:
    lines = Lines("first\r\n# 🦆éa = 1", encoding)
    equals = lines.text.index(" = 1")
    assert lines.position(equals) == Position(1, column)
    assert lines.offset(Position(1, column)) == equals


def test_lines_end_at_lf_crlf_and_cr_alone() -> None:
    lines = Lines("a\nb\r\nc\rd\x0ce\u2028f\x85g")
    assert [lines.position(lines.text.index(letter)).line for letter in "abcdefg"] == [0, 1, 2, 3, 3, 3, 3]


def test_what_is_out_of_range_is_clamped() -> None:
    lines = Lines("ab\r\nc")
    assert lines.offset(Position(0, 99)) == 2
    assert lines.offset(Position(99, 0)) == 5
    assert lines.position(99) == Position(1, 1)
    assert lines.position(3) == Position(0, 2)  # between CR and LF
    assert Lines("🦆").offset(Position(0, 1)) == 0  # in the middle of a pair


@given(st.text(alphabet="ab\n\r🦆é\u2028"), st.sampled_from(ENCODINGS), st.data())
def test_every_place_comes_back(text: str, encoding: PositionEncodingKind, data: st.DataObject) -> None:
    lines = Lines(text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    place = lines.position(offset)
    between = 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n"
    assert lines.offset(place) == offset - between
    start = lines.line_start(lines.offset(place))
    assert place.character == UNITS[encoding](text[start : offset - between])
