from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image

from hvaedsl_runtime.sweep.axes import Axis
from hvaedsl_runtime.sweep.plot import draw, figure_of
from hvaedsl_runtime.sweep.results import SweepResults

MakeResults = Callable[..., SweepResults]
N = Axis(kind="let", name="n", values=("1", "2", "20"))
CELLS = Axis(kind="set", name="model.cell", values=("vdvae", "nvae"))
LISTS = Axis(kind="set", name="model.decoder", values=("4x1, 8m4, 8x1", "1x1, 4m1, 4x3, 8m4, 8x10, 16m8, 16x4"))


@pytest.mark.parametrize(
    ("axes", "likelihoods"),
    [
        ([N], [[2.0, 2.1], [1.8, 1.9], [1.7, 1.75]]),
        ([CELLS], [[2.0], [1.8]]),
        ([LISTS], [[2.0], [1.8]]),
        ([N, CELLS], [[2.0, 2.1]] * 6),
        ([], [[2.0, 2.1]]),
        ([N], [[2.0], [], [math.nan]]),
    ],
    ids=["numbers", "words", "block lists", "two axes", "only seeds", "gaps"],
)
def test_a_plot_is_not_empty(
    tmp_path: Path, make_results: MakeResults, axes: list[Axis], likelihoods: list[list[float]]
) -> None:
    draw(make_results(axes, likelihoods), tmp_path / "a.png", tmp_path / "a.svg")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert min(pixels.shape) > 500
    assert 0.01 < (pixels < 200).mean() < 0.5
    ElementTree.parse(tmp_path / "a.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]
    assert (tmp_path / "a.png").stat().st_size < 200_000


def test_every_seed_is_a_dot_and_every_mean_a_point(make_results: MakeResults) -> None:
    likelihoods = [[2.0, 2.2], [1.8, 1.9], [1.7, 1.75]]
    figure = figure_of(make_results([N], likelihoods))
    panel = figure.axes[0]
    dots = np.asarray(panel.collections[0].get_offsets())
    expected = [(n, value) for n, values in zip((1, 2, 20), likelihoods, strict=True) for value in values]
    assert dots.tolist() == [list(map(float, pair)) for pair in expected]
    means = np.asarray(panel.lines[0].get_xydata())
    assert means[:, 1] == pytest.approx([2.1, 1.85, 1.725])
    assert panel.get_xscale() == "log"
    assert "bits/dim" in panel.get_ylabel()
    against_time = np.asarray(figure.axes[1].collections[0].get_offsets())
    assert against_time[:, 0].tolist() == [10, 11, 20, 21, 30, 31]


def test_a_line_for_each_value_of_the_second_axis(make_results: MakeResults) -> None:
    figure = figure_of(make_results([N, CELLS], [[float(k)] for k in range(1, 7)]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["vdvae", "nvae"]
    heights = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[2].lines]
    assert heights == [[1000, 3000, 5000], [2000, 4000, 6000]]


def test_equal_results_give_equal_files(tmp_path: Path, make_results: MakeResults) -> None:
    for name in ("a", "b"):
        draw(make_results([N], [[2.0]] * 3), tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_the_settings_of_the_user_do_not_change_a_plot(tmp_path: Path, make_results: MakeResults) -> None:
    results = make_results([N], [[2.0]] * 3)
    draw(results, tmp_path / "one.png", tmp_path / "one.svg")
    with rc_context({"text.usetex": True, "lines.linewidth": 9.0, "font.family": "monospace"}):
        draw(results, tmp_path / "other.png", tmp_path / "other.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
