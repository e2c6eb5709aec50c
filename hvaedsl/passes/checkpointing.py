"""Activation memory with activation checkpointing (`recompute_every`).

Falck, Williams et al. 2022, Appendix F. The steps of the encoder (blocks and poolings) and those of the decoder
(top-down blocks) are split into segments. Until the backward pass only the states that enter a segment are kept, and
the encoder activations that the decoder reads. The backward pass recomputes one segment at a time, which then saves
everything that it would have saved without checkpointing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, Pool, State, Stem, TopDownBlock
from hvaedsl.ir.memory import BYTES, Precision, saved_bytes_in_order


class Step(Record):
    """A step of one stack: the storage of its output, its resolution, and the bytes that it saves for one image."""

    output: int
    resolution: int
    saved_bytes: Mapping[Precision, int]


class Checkpointing(Record):
    """The activation memory of a model for any length of the segments.

    A storage is identified by the index of the operation that fills it; `encoder_numbers` and `decoder_numbers` are
    the numbers that it holds for one image. Those of the encoder are in the precision of the forward pass, those of
    the decoder in float32.
    """

    encoder: tuple[Step, ...]
    decoder: tuple[Step, ...]
    encoder_numbers: Mapping[int, int]
    decoder_numbers: Mapping[int, int]
    always: frozenset[int]  # inputs of the first segments, and the activations that the decoder reads
    outside_bytes: Mapping[Precision, int]  # saved by stem, head and likelihood, outside all segments

    @property
    def steps(self) -> int:
        """The steps of the longer stack, which is the longest useful segment."""
        return max(len(self.encoder), len(self.decoder))

    def kept_bytes(self, every: int, batch: int, precision: Precision = "float32") -> int:
        """Bytes kept from the forward to the backward pass of a training step with `batch` images."""
        kept = self.always | self._entering(every)
        low = sum(numbers for storage, numbers in self.encoder_numbers.items() if storage in kept)
        high = sum(numbers for storage, numbers in self.decoder_numbers.items() if storage in kept)
        return batch * (self.outside_bytes[precision] + BYTES[precision] * low + BYTES["float32"] * high)

    def peak_bytes(self, every: int, batch: int, precision: Precision = "float32") -> int:
        """The kept bytes plus those of the segment that saves most: a close upper bound."""
        return self.kept_bytes(every, batch, precision) + batch * max(
            sum(step.saved_bytes[precision] for step in steps[start : start + every])
            for steps in (self.encoder, self.decoder)
            for start in range(0, max(1, len(steps)), every)
        )

    def _entering(self, every: int) -> set[int]:
        """The storages that enter a segment, except the first of each stack."""
        found = {self.encoder[end - 1].output for end in range(every, len(self.encoder), every)}
        states: dict[int, int] = {}
        for place, step in enumerate(self.decoder):
            if place % every == 0:
                found.update(states.values())
            states[step.resolution] = step.output
        return found


def checkpointing(bridge: Bridge) -> Checkpointing:
    """The steps of both stacks with their outputs and saved bytes."""
    saved = {precision: tuple(saved_bytes_in_order(bridge.operations, size)) for precision, size in BYTES.items()}

    def saved_by(*indices: int) -> Mapping[Precision, int]:
        return {precision: sum(sizes[index] for index in indices) for precision, sizes in saved.items()}

    numbers, storages = _encoder_storages(bridge)
    blocks = {i: op for i, op in bridge.decoder if isinstance(op, TopDownBlock)}
    # Kept in any case: the stem's output, initial states of zeros, and the activations that the decoder reads.
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
    """The numbers in each storage of the encoder, and the storage of each operation's output.

    Strided pooling returns a view, whose storage is that of its input.
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
