"""The divisors of a number."""

from __future__ import annotations

import time

import pytest

from hvaedsl.ir.divisors import TRIED, divisors


@pytest.mark.parametrize("number", [*range(1, 200), 1024, 65_536, 99_856])
def test_all_divisors_of_a_small_number(number: int) -> None:
    assert divisors(number) == [found for found in range(1, number + 1) if number % found == 0]


def test_the_square_of_the_last_number_that_is_tried() -> None:
    assert divisors(TRIED**2)[-1] == TRIED**2
    assert divisors(TRIED**2).count(TRIED) == 1


def test_a_huge_number_takes_no_time() -> None:
    number, start = 10**15, time.process_time()
    found = divisors(number)
    assert time.process_time() - start < 1
    assert {1, 2, 5, 10, 100_000, 10**10, 10**15} <= set(found)
    assert found == sorted(found)
    assert all(number % size == 0 for size in found)
