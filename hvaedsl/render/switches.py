"""Phrases for the caption about the architecture switches of a bridge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvaedsl.ir.bridge import Bridge, EncoderBlock, Pool, TopDownBlock, bottleneck_resolution
from hvaedsl.ir.fourier import Exponents

_NORMS = {
    "sample_l2": "every state divided by its l2 norm",
    "sample_rms": "every state divided by its root mean square",
    "batch_l2": "every state divided by the batch's l2 norm",
    "batch_rms": "every state divided by the batch's root mean square",
}


def switch_words(bridge: Bridge) -> tuple[str, ...]:
    """Return a phrase for each switch that is on, except the cell, which is in the boxes."""
    return tuple(_words(bridge))


def _words(bridge: Bridge) -> Iterator[str]:
    encoder = [op for _, op in bridge.encoder if isinstance(op, EncoderBlock)]
    decoder = [op for _, op in bridge.decoder if isinstance(op, TopDownBlock)]
    drawn = [op for op in decoder if op.draws]
    pools = [op for _, op in bridge.encoder if isinstance(op, Pool)]

    bottleneck = bottleneck_resolution(bridge)
    above = [op for op in drawn if op.resolution != bottleneck]
    if above and all(op.reads is None for op in above):
        yield "no skip connections"
    if pools and pools[0].method != "average":
        yield f"pooling: {pools[0].method}"
    if decoder and decoder[0].normalize is not None:
        yield _NORMS[decoder[0].normalize]

    places: Sequence[tuple[str, Exponents]] = (
        ("image", bridge.stem.features),
        ("residual blocks", next((op.features for op in encoder), ())),
        ("posterior and prior", decoder[0].branch_features if decoder else ()),
        ("z", drawn[0].z_features if drawn else ()),
    )
    used = [(place, exponents) for place, exponents in places if exponents]
    if used:
        listed = ", ".join(place for place, _ in used)
        yield f"Fourier features, n = {', '.join(map(str, used[0][1]))}: {listed}"
