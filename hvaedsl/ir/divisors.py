"""The numbers into which a batch can be split."""

from __future__ import annotations


def divisors(number: int) -> list[int]:
    """The divisors of a positive number, in order."""
    low = [found for found in range(1, int(number**0.5) + 1) if number % found == 0]
    return [*low, *(number // found for found in reversed(low) if found * found != number)]
