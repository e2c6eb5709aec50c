"""B.4: the estimate and its gradient are unbiased, its variance is as stated, and wrong estimates are found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvaedsl_runtime.theory.check_inputs import CheckInputs
from hvaedsl_runtime.theory.checks import Check, sampled_rate_checks
from hvaedsl_runtime.theory.sampled_rate import (
    drawn_in_training,
    over_all_choices,
    variance_with_replacement,
    variance_without_replacement,
)
from hvaedsl_runtime.train.objective import sampled_rate


def checks(digits: CheckInputs, **changes: object) -> list[Check]:
    few = {"draws": 40_000, "steps": 4_000, **changes}
    return list(sampled_rate_checks(digits.small_model, digits.small_batch, 0, **few))  # type: ignore[arg-type]


def test_all_hold(digits: CheckInputs) -> None:
    found = checks(digits)
    assert len(found) == 9
    assert sum(check.control for check in found) == 1
    assert [check.identity for check in found if not check.holds] == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda kl_nats, layers: kl_nats[layers].sum(dim=0),
        lambda kl_nats, layers: sampled_rate(kl_nats, layers) * (1 + 1e-9),
        lambda kl_nats, layers: sampled_rate(kl_nats, layers % (len(kl_nats) - 1)),
    ],
)
def test_a_biased_estimate_is_found(digits: CheckInputs, wrong: object) -> None:
    assert [check.holds for check in checks(digits, estimate=wrong)[:4]] == [False] * 4


def test_an_estimate_without_gradient_is_found_in_the_gradient_alone(digits: CheckInputs) -> None:
    def detached(kl_nats: Tensor, layers: Tensor) -> Tensor:
        value = sampled_rate(kl_nats, layers)
        return value.detach() + 0 * value

    assert [check.holds for check in checks(digits, estimate=detached)[:4]] == [True, False, True, False]


def test_replacement_matters() -> None:
    kl_nats = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    variance = ((kl_nats - kl_nats.mean()) ** 2).mean().item()
    assert variance_with_replacement(kl_nats, 2) == pytest.approx(9 / 2 * variance)
    assert variance_without_replacement(kl_nats, 2) == pytest.approx(9 / 4 * variance)
    assert variance_without_replacement(kl_nats, 3) == 0
    assert variance_without_replacement(kl_nats[:1], 1) == 0
    assert sorted(over_all_choices(kl_nats, 2).tolist()) == pytest.approx([4.5, 7.5, 9.0])


def test_training_draws_without_replacement() -> None:
    kl_nats = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    possible = over_all_choices(kl_nats, 2)
    drawn = drawn_in_training(kl_nats, 2, steps=200, seed=0)
    assert set(drawn.tolist()) == set(possible.tolist())
