"""Numbers of one in titles: `1 block` and not `1 blocks`."""

from __future__ import annotations

import pytest

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.span import Source
from hvaedsl.rules.batch_split import SplitNorm
from hvaedsl.rules.shallow_decoder import ShallowDecoder
from hvaedsl.rules.slow_average import SlowAverage
from hvaedsl.rules.synchronous_counts import UnequalCounts

HERE = Source("a.hvae", "hvae 1").span(0, 4)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (ShallowDecoder(span=HERE, decoder=1, encoder=10), "the decoder applies 1 block, the encoder 10"),
        (UnequalCounts(span=HERE, resolution=8, encoder=1, decoder=2), "the encoder applies 1 block, the decoder 2"),
        (SplitNorm(span=HERE, batch_size=16, micro_batch=1), "split into forward passes of 1 image, and"),
        (SlowAverage(span=HERE, steps=1, decay=0.99), "after 1 step the averaged weights"),
    ],
)
def test_one_is_singular(found: Diagnostic, title: str) -> None:
    assert title in found.message
