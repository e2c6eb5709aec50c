"""The numbers into which a batch, or the channels of a layer, can be split."""

from __future__ import annotations

from math import isqrt

# Divisors up to this number are found, and what they divide the number into. All divisors of a number below its square
# are found; a larger one would take seconds.
TRIED = 100_000


def divisors(number: int) -> list[int]:
    """The divisors of a positive number, in order: all up to `TRIED`, and their counterparts."""
    low = [found for found in range(1, min(isqrt(number), TRIED) + 1) if number % found == 0]
    return [*low, *(number // found for found in reversed(low) if found * found != number)]


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of a positive number that is at most `most`; 1 if `most` is smaller."""
    return max((found for found in divisors(number) if found <= most), default=1)
