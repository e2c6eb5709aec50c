from __future__ import annotations

from hvaedsl.render.labels import text_width


def test_width_grows_with_size_weight_and_wide_letters() -> None:
    assert text_width("", 9) == 0
    assert text_width("32x11", 18) == 2 * text_width("32x11", 9)
    assert text_width("32x11", 9, bold=True) > text_width("32x11", 9)
    assert text_width("日本", 9) > text_width("ab", 9)
