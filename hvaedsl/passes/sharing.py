"""Weight groups: the sets of weights and their applications."""

from __future__ import annotations

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Stack, TopDownBlock


class WeightGroup(Record):
    """One set of weights and the indices of the operations that apply it."""

    stack: Stack
    name: str
    applications: tuple[int, ...]


def weight_groups(bridge: Bridge) -> tuple[WeightGroup, ...]:
    """Every weight group, in the order of its first application."""
    found: dict[tuple[Stack, str], list[int]] = {}
    for index, op in bridge.encoder:
        if isinstance(op, EncoderBlock):
            found.setdefault(("encoder", op.group), []).append(index)
    for index, decoder_op in bridge.decoder:
        if isinstance(decoder_op, TopDownBlock):
            found.setdefault(("decoder", decoder_op.group), []).append(index)
    return tuple(WeightGroup(stack, name, tuple(indices)) for (stack, name), indices in found.items())
