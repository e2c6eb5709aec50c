"""How many examples the tests of this folder draw: few and always the same ones, or very many (`make fuzz`)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def examples(*, quick: int, long: int) -> settings:
    """The settings of a test: `quick` examples in the ordinary suite, `long` ones under HYPOTHESIS_PROFILE=long.

    The quick ones are derived from the test itself, so that a suite that was green stays green.
    """
    return settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
