"""Theorem 3 in its provable form: the bounds hold for all stacks, and the check detects violations."""

from __future__ import annotations

import pytest
import torch

from hvaedsl_runtime.theory.checks import transport_checks
from hvaedsl_runtime.theory.transport import AffineMap, Bounds, bounds, decode, encode, random_stacks, w2_squared


def test_both_inequalities_and_both_equalities_hold() -> None:
    found = list(transport_checks(seed=3, stacks=6))
    assert [check.control for check in found] == [False, False, False, True]
    assert all(check.holds for check in found)
    assert found[0].figures["smallest lower bound / W2^2"] > 0.01  # the bound is not vacuous


def test_without_details_nothing_is_lost() -> None:
    ((stack, x),) = random_stacks(1, 5, 8, seed=0, orthogonal=False)
    bottleneck, details = encode(stack, x)
    y = decode(stack, bottleneck)
    assert [tuple(detail.shape) for detail in details] == [(5, 1, 8, 8), (5, 1, 4, 4), (5, 1, 2, 2)]
    again = bounds(stack, y)
    assert again.upper < 1e-20
    assert again.lower < 1e-20


def test_the_bound_is_that_of_the_formula() -> None:
    """One scaling of 2x2 fields by 3: the details are 3 (x - mean), and the bound is E||x - mean||^2."""
    x = torch.randn((20, 1, 2, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scaling = AffineMap(3 * torch.eye(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64))
    expected = (x - x.mean(dim=(2, 3), keepdim=True)).square().sum(dim=(1, 2, 3)).mean().item()
    found = bounds([scaling], x)
    assert scaling.lipschitz == pytest.approx(3)
    assert found.lower == pytest.approx(expected)
    assert found.upper == pytest.approx(expected)
    assert found.lower_without_constants == pytest.approx(9 * expected)


def test_the_distance_is_that_of_the_best_assignment() -> None:
    x = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64).view(3, 1, 1, 1)
    assert w2_squared(x, x.flip(0)) == 0
    assert w2_squared(x, x + 2) == pytest.approx(4)


@pytest.mark.parametrize("broken", [Bounds(1.2, 1.0, 2.0, 0.0), Bounds(0.5, 1.0, 0.8, 0.0)])
def test_a_bound_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch, broken: Bounds) -> None:
    assert broken.violation == pytest.approx(0.2)
    monkeypatch.setattr("hvaedsl_runtime.theory.transport.bounds", lambda *_: broken)
    found = list(transport_checks(seed=0, stacks=2))
    assert not any(check.holds for check in found)


def test_wrong_lipschitz_constants_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest singular value instead of the largest."""
    smallest = property(lambda self: float(torch.linalg.matrix_norm(self.matrix, ord=-2)))
    monkeypatch.setattr(AffineMap, "lipschitz", smallest)
    inequality, *_ = transport_checks(seed=0, stacks=4)
    assert not inequality.holds


def test_a_shifted_decoder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distance of orthogonal stacks is that of the details alone, without a shift."""
    monkeypatch.setattr("hvaedsl_runtime.theory.transport.decode", lambda stack, x: decode(stack, x) + 0.1)
    _, same_distance, same_details, _ = transport_checks(seed=0, stacks=2)
    assert same_distance.holds  # the optimal assignment finds the same shift
    assert not same_details.holds
