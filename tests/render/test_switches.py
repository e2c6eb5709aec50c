"""The line of switches below a picture's title."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.ir.bridge import Bridge, bottleneck_resolution
from hvaedsl.render.switches import switch_words


def test_a_deep_model_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Bridge] = []

    def counting(bridge: Bridge) -> int:
        asked.append(bridge)
        return bottleneck_resolution(bridge)

    monkeypatch.setattr("hvaedsl.render.switches.bottleneck_resolution", counting)
    bridge = hvaedsl.load("cifar_ws", sets={"model.skips": "none"}).bridge
    assert switch_words(bridge) == ("no skip connections",)
    assert asked == [bridge]
