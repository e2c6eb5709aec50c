"""Activation memory where a model keeps its state every so many blocks and computes the rest again.

Falck, Williams et al. 2022, Appendix F. The steps of the encoder (blocks and poolings) and those of the decoder
(top-down blocks) are cut into segments. Until the backward pass a segment keeps the states that enter it, and the model
the encoder's activations that the decoder reads; in the backward pass one segment at a time saves all that it would
have saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, Pool, State, Stem, TopDownBlock
from hvaedsl.ir.memory import BYTES, Precision, saved_bytes_in_order


class Step(Record):
    """A step of one stack: the storage that it hands on, where, and the bytes that it saves for one image."""

    output: int
    resolution: int
    saved_bytes: Mapping[Precision, int]


class Checkpointing(Record):
    """What is kept of one image, for any length of the segments.

    A storage is numbered by the operation of the bridge that fills it, and holds so many numbers for one image: the
    encoder's in the precision of the forward pass, the decoder's in float32.
    """

    encoder: tuple[Step, ...]
    decoder: tuple[Step, ...]
    encoder_numbers: Mapping[int, int]
    decoder_numbers: Mapping[int, int]
    always: frozenset[int]  # what the first segments read, and every activation that the decoder reads
    outside_bytes: Mapping[Precision, int]  # saved by stem, head and likelihood, which are in no segment

    @property
    def steps(self) -> int:
        """The steps of the longer stack: segments of so many are whole stacks."""
        return max(len(self.encoder), len(self.decoder))

    def kept_bytes(self, every: int, batch: int, precision: Precision = "float32") -> int:
        """Bytes kept from the forward to the backward pass of a training step on `batch` images."""
        kept = self.always | self._entering(every)
        low = sum(numbers for storage, numbers in self.encoder_numbers.items() if storage in kept)
        high = sum(numbers for storage, numbers in self.decoder_numbers.items() if storage in kept)
        return batch * (self.outside_bytes[precision] + BYTES[precision] * low + BYTES["float32"] * high)

    def peak_bytes(self, every: int, batch: int, precision: Precision = "float32") -> int:
        """The kept bytes and those of the segment that saves most: an upper bound, and close to it."""
        return self.kept_bytes(every, batch, precision) + batch * max(
            sum(step.saved_bytes[precision] for step in steps[start : start + every])
            for steps in (self.encoder, self.decoder)
            for start in range(0, max(1, len(steps)), every)
        )

    def _entering(self, every: int) -> set[int]:
        """What enters the segments, but for the first of each stack."""
        found = {self.encoder[end - 1].output for end in range(every, len(self.encoder), every)}
        states: dict[int, int] = {}
        for place, step in enumerate(self.decoder):
            if place % every == 0:
                found.update(states.values())
            states[step.resolution] = step.output
        return found


def checkpointing(bridge: Bridge) -> Checkpointing:
    """The steps of both stacks, what each hands on and what each saves."""
    saved = {precision: tuple(saved_bytes_in_order(bridge.operations, size)) for precision, size in BYTES.items()}

    def saved_by(*indices: int) -> Mapping[Precision, int]:
        return {precision: sum(sizes[index] for index in indices) for precision, sizes in saved.items()}

    numbers, storages = _encoder_storages(bridge)
    blocks = {i: op for i, op in bridge.decoder if isinstance(op, TopDownBlock)}
    zeros = {i for i, op in bridge.decoder if isinstance(op, State) and not op.learned}
    read = {storages[op.reads] for op in blocks.values() if op.reads is not None}
    return Checkpointing(
        encoder=tuple(Step(storages[i], op.resolution, saved_by(i)) for i, op in bridge.encoder[1:]),
        decoder=tuple(Step(i, op.resolution, saved_by(i)) for i, op in blocks.items()),
        encoder_numbers=numbers,
        decoder_numbers={i: op.channels * op.resolution**2 for i, op in bridge.decoder if i in blocks or i in zeros},
        always=frozenset(read | {storages[0], *zeros}),
        outside_bytes=saved_by(0, len(bridge.operations) - 1),
    )


def _encoder_storages(bridge: Bridge) -> tuple[dict[int, int], Sequence[int]]:
    """How many numbers each storage of the encoder holds, and in which one each operation's output lies.

    Taking the first value of every patch makes a view: its storage is that of what is pooled.
    """
    numbers: dict[int, int] = {}
    storages: list[int] = []
    for index, op in bridge.encoder:
        if isinstance(op, Pool):
            is_view = op.method == "strided" and op.channels == op.in_channels and op.normalize is None
            storages.append(storages[-1] if is_view else index)
            side = op.to
        else:
            storages.append(index)
            side = op.resolution
        if storages[-1] == index:
            numbers[index] = op.channels * side**2
    assert isinstance(bridge.operations[0], Stem)
    return numbers, storages
