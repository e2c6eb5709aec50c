"""Ratios of interleaved times, and the published code beside ours where a checkout of it is at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import hvaedsl
from benchmarks.against_vdvae import main
from benchmarks.interleaved import WARM_UPS, Ratio, Rounds, measure
from benchmarks.published_code import PublishedCode, block_strings

# The folder of a checkout of openai/vdvae.
CHECKOUT = os.environ.get("HVAEDSL_VDVAE")


def test_every_side_is_timed_once_a_round_in_changing_order() -> None:
    calls: list[str] = []

    def clock(function: Callable[[], object]) -> float:
        function()
        return 1.0

    rounds = measure({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 20, clock)
    assert {name: list(seconds) for name, seconds in rounds.seconds.items()} == {"a": [1.0] * 20, "b": [1.0] * 20}
    pairs = [calls[at : at + 2] for at in range(0, len(calls), 2)]
    assert len(pairs) == 20 + WARM_UPS
    assert {tuple(pair) for pair in pairs} == {("a", "b"), ("b", "a")}


def test_a_ratio_is_that_of_each_round() -> None:
    """A machine that is slower in some rounds slows both sides there."""
    ours = [1.0, 5.0, 1.0, 9.0, 1.0, 2.0, 3.0]
    rounds = Rounds({"ours": ours, "theirs": [1.2 * seconds for seconds in ours]}, load=0.5)
    found = rounds.ratio("step", "theirs", "ours", floor=1.1)
    assert (found.value, found.low, found.high) == pytest.approx((1.2, 1.2, 1.2))
    assert found.verdict == "met"
    assert rounds.median("ours") == 2.0
    noisy = Rounds({"ours": [1.0] * 8, "theirs": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]}, load=0.5)
    wide = noisy.ratio("step", "theirs", "ours")
    assert 1.0 <= wide.low < 1.35 < wide.high <= 1.7


def test_the_lower_end_of_a_narrow_interval_on_an_idle_machine_decides() -> None:
    met = Ratio("step", 1.14, 1.11, 1.15, floor=1.1, load=1.0)
    assert met.verdict == "met"
    assert replace(met, low=1.09).verdict == "MISSED"
    assert replace(met, load=1.3).verdict == "no verdict: load 1.3"
    assert replace(met, high=1.19).verdict == "no verdict: wide interval"
    assert replace(met, floor=None).verdict == ""
    assert str(met).endswith("1.110 to 1.150  at least 1.1  met")


def test_block_strings_are_those_of_the_published_settings() -> None:
    """`R x n` is n blocks there; a shared block is n of them, which get one module."""
    encoder, decoder = block_strings(hvaedsl.load("cifar"))
    expected = ["32x1"] * 11 + ["32d2"] + ["16x1"] * 6 + ["16d2"] + ["8x1"] * 6 + ["8d2"] + ["4x1"] * 3 + ["4d4"]
    assert encoder.split(",") == [*expected, "1x1", "1x1", "1x1"]
    assert decoder.split(",")[:4] == ["1x1", "4m1", "4x1", "4x1"]
    assert len(decoder.split(",")) == 43
    assert len(block_strings(hvaedsl.load("cifar_ws"))[1].split(",")) == 105


def test_a_folder_without_the_code_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a checkout of openai/vdvae has this file"):
        PublishedCode(tmp_path)


@pytest.mark.skipif(CHECKOUT is None, reason="HVAEDSL_VDVAE names no checkout of openai/vdvae")
@pytest.mark.parametrize("spec", ["cifar", "cifar_ws"])
def test_the_published_code_beside_ours(tmp_path: Path, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert CHECKOUT is not None
    arguments = ["--reference", CHECKOUT, "--spec", spec, "--width", "16", "--batch", "2", "--rounds", "2"]
    assert main([*arguments, "--device", "cpu", "--json", str(tmp_path / "figures.json")]) == 0
    assert "loss and gradients agree to" in capsys.readouterr().out
    found = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert found["ratios"][0]["name"] == "published with itself"
    assert all(ratio["value"] > 0 for ratio in found["ratios"])
