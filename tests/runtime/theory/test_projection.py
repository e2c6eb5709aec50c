"""Theorem 2: the identities hold for average pooling, and the checks detect other poolings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hvaedsl.nn.resolution import average_pool
from hvaedsl_runtime.theory.check_inputs import CheckInputs
from hvaedsl_runtime.theory.checks import Check, projection_checks
from hvaedsl_runtime.theory.projection import (
    Projection,
    average_projection,
    haar_levels,
    strided_projection,
    wavelet_analysis,
    wavelet_projection,
)

COEFFICIENTS, RECONSTRUCTION, ENERGY, TWICE, ADJOINT = range(5)


@pytest.fixture(scope="module")
def images(digits: CheckInputs) -> Tensor:
    return digits.images()


def identities(checks: list[Check]) -> list[bool]:
    """Whether the five identities for pooling by powers of two hold, and the two for pooling by 3."""
    return [check.holds for check in checks if not check.control]


def test_all_hold_on_genuine_images_and_the_controls_differ(images: Tensor) -> None:
    checks = list(projection_checks(images, 0))
    assert [check.control for check in checks] == [False] * 7 + [True] * 2
    assert all(check.holds for check in checks)
    assert all(check.error > 0.1 for check in checks if check.control)


@pytest.mark.parametrize("shape", [(3, 1, 32, 32), (2, 3, 24, 24), (4, 1, 6, 6), (1, 3, 512, 512)])
def test_they_hold_for_any_field_that_the_factor_divides(shape: tuple[int, ...]) -> None:
    fields = 100 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert all(check.holds for check in projection_checks(fields, 1))


def test_an_odd_resolution_leaves_the_projection_by_three() -> None:
    fields = torch.rand((2, 1, 9, 9), dtype=torch.float64)
    checks = list(projection_checks(fields, 0))
    assert [check.identity for check in checks] == ["d3 on 9x9: P P x = P x", "d3 on 9x9: <P x, y> = <x, P y>"]
    assert all(check.holds for check in checks)


def test_a_wrong_factor_is_found_by_the_coefficients_alone(images: Tensor) -> None:
    checks = list(projection_checks(images, 0, pool=lambda x, factor: average_pool(x, factor) / 2))
    assert identities(checks) == [False, True, True, True, True, True, True]


@pytest.mark.parametrize(
    ("project", "failing"),
    [
        (strided_projection, {RECONSTRUCTION, ENERGY, ADJOINT}),
        (lambda x, factor: average_projection(x, factor) / 2, {RECONSTRUCTION, ENERGY, TWICE}),
        (lambda x, _: x, {RECONSTRUCTION, ENERGY}),  # a projection, onto too large a space
        (lambda x, factor: wavelet_projection(x, haar_levels(factor), "db2"), {RECONSTRUCTION, ENERGY}),
    ],
)
def test_another_projection_is_found(images: Tensor, project: Projection, failing: set[int]) -> None:
    by_two = images[:, :, :4, :4].contiguous()
    found = identities(list(projection_checks(by_two, 0, project=project)))[:5]
    assert {number for number, holds in enumerate(found) if not holds} == failing


def test_the_controls_fail_if_all_poolings_are_equal() -> None:
    """Constant images have no details that a pooling could drop."""
    flat = torch.full((3, 1, 8, 8), 0.5, dtype=torch.float64)
    controls = [check for check in projection_checks(flat, 0) if check.control]
    assert controls
    assert not any(check.holds for check in controls)


def test_an_image_of_nan_does_not_pass() -> None:
    fields = torch.full((1, 1, 4, 4), torch.nan, dtype=torch.float64)
    assert not any(check.holds for check in projection_checks(fields, 0))


@pytest.mark.parametrize(("size", "levels"), [(1, 0), (7, 0), (6, 1), (8, 3), (96, 5)])
def test_levels_of_a_size(size: int, levels: int) -> None:
    assert haar_levels(size) == levels


@pytest.mark.parametrize("transform", [wavelet_analysis, wavelet_projection])
def test_levels_that_do_not_divide_are_an_error(transform: Callable[[Tensor, int, str], object]) -> None:
    with pytest.raises(ValueError, match=r"the sizes are \[6, 6\]; 2 levels need multiples of 4"):
        transform(torch.zeros((1, 1, 6, 6), dtype=torch.float64), 2, "haar")
