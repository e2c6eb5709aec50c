from __future__ import annotations

import math
from collections.abc import Callable
from statistics import stdev

import pytest

from hvaedsl_runtime.sweep.axes import Axis
from hvaedsl_runtime.sweep.results import Spread, SweepResults
from hvaedsl_runtime.sweep.tables import results_text

MakeResults = Callable[..., SweepResults]
N = Axis(kind="let", name="n", values=("1", "2", "3"))


def test_a_spread_is_the_sample_standard_deviation() -> None:
    assert Spread.of([1.0, 2.0, 4.0]) == Spread(7 / 3, pytest.approx(stdev([1, 2, 4])))  # type: ignore[arg-type]
    assert Spread.of([2.0]) == Spread(2.0, None)
    assert Spread.of([]) is None
    assert Spread.of([1.0, None]) is None


def test_the_best_is_marked_only_beyond_the_spread(make_results: MakeResults) -> None:
    clear = make_results([N], [[2.0, 2.1, 2.2], [1.0, 1.1, 1.2], [3.0, 3.1, 3.2]])
    best = clear.best("raw")
    assert best is not None
    assert best.name == "n=2"
    assert results_text(clear).count("*") == 3  # both kinds of weights, and the note
    # Means 1.1 and 1.25, deviations 0.1: lower, but by less than the deviations.
    close = make_results([N], [[1.15, 1.25, 1.35], [1.0, 1.1, 1.2], [3.0, 3.1, 3.2]])
    assert close.best("raw") is None
    assert "no point is lowest" in results_text(close)


@pytest.mark.parametrize(
    "likelihoods",
    [
        [[2.0], [1.0], [3.0]],
        [[2.0, 2.1], [1.0], [3.0, 3.1]],
        [[2.0, 2.1], [1.0, 1.1], []],
        [[2.0, 2.1], [1.0, math.nan], [3.0, 3.1]],
    ],
    ids=["one seed", "a seed missing", "a point missing", "not finite"],
)
def test_no_best_if_a_deviation_is_unknown(make_results: MakeResults, likelihoods: list[list[float]]) -> None:
    results = make_results([N], likelihoods)
    assert results.best("raw") is None
    assert "*" not in results_text(results)


def test_one_seed_shows_no_deviation(make_results: MakeResults) -> None:
    text = results_text(make_results([N], [[2.0], [1.0], [3.0]]))
    assert "±" not in text
    assert "standard deviation unknown" in text
    assert "indicative" in text
    assert "2.0000" in text


def test_three_seeds_are_not_called_indicative(make_results: MakeResults) -> None:
    assert not make_results([N], [[2.0, 2.1, 2.2]] * 3).indicative
    assert make_results([N], [[2.0, 2.1]] * 3).indicative


def test_missing_runs_are_reported(make_results: MakeResults) -> None:
    text = results_text(make_results([N], [[2.0, 2.1], [1.0], [math.nan, 1.0]]))
    assert "5 of 6 runs" in text
    assert "1 of 2" in text
    assert "not finite" in text


def test_the_weights_shown_are_fixed_by_the_spec(make_results: MakeResults) -> None:
    assert make_results([N], [[2.0]] * 3, average_is_slow=True).weights == "raw"
    assert make_results([N], [[2.0]] * 3, average_is_slow=False).weights == "ema"


def test_densities_are_called_so_and_are_not_lower_than_masses(make_results: MakeResults) -> None:
    likelihoods = [[2.0, 2.1, 2.2], [1.0, 1.1, 1.2], [3.0, 3.1, 3.2]]
    reals = make_results([N], likelihoods, gives=("density",), unit="density_nats_per_dim")
    assert "nats/dim (density)" in results_text(reals)
    assert reals.to_dict()["gives"] == "density"
    assert reals.best("raw") is not None

    own = make_results([N], likelihoods, gives=("density",))
    assert "bits/dim (density)" in results_text(own)
    mixed = make_results([N], likelihoods, gives=("mass", "density", "mass"))
    assert mixed.best("raw") is None
    assert "their likelihoods cannot be compared" in results_text(mixed)
    assert "gives" not in make_results([N], likelihoods).to_dict()
