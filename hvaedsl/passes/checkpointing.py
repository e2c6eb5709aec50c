"""Activation memory with activation checkpointing (`recompute_every`).

Falck, Williams et al. 2022, Appendix F. The steps of the encoder (blocks and poolings) and those of the decoder
(top-down blocks) are split into segments. Until the backward pass only the states that enter a segment are kept, and
the encoder activations that the decoder reads. The backward pass recomputes one segment at a time, which then saves
everything that it would have saved without checkpointing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, State, TopDownBlock
from hvaedsl.ir.memory import BYTES, Precision
from hvaedsl.ir.storages import KeptStorages, model_storages


class Step(Record):
    """A step of one stack: the resolution and the storage of its output, and what it keeps of one image."""

    resolution: int
    output: int
    kept: Mapping[Precision, KeptStorages]


class Checkpointing(Record):
    """The activation memory of a model for any length of the segments.

    A storage is identified by the index of the operation that fills it (`hvaedsl.ir.storages`).
    """

    encoder: tuple[Step, ...]
    decoder: tuple[Step, ...]
    always: frozenset[int]  # inputs of the first segments, activations that the decoder reads, and the final state
    outside_bytes: Mapping[Precision, int]  # made and kept by stem, head and likelihood, outside all segments
    storage_bytes: Mapping[Precision, Mapping[int, int]]  # of one image

    @property
    def steps(self) -> int:
        """The steps of the longer stack, which is the longest useful segment."""
        return max(len(self.encoder), len(self.decoder))

    def kept_bytes(self, every: int, batch: int, precision: Precision = "float32") -> int:
        """Bytes kept from the forward to the backward pass of a training step with `batch` images."""
        return batch * (self.outside_bytes[precision] + self._bytes_of(self._kept(every), precision))

    def peak_bytes(self, every: int, batch: int, precision: Precision = "float32") -> int:
        """Bytes kept while the backward pass recomputes the segment that saves most, in addition to the kept ones.

        An upper bound: some of the kept ones may have been released by then.
        """
        kept = self._kept(every)

        def recomputed(segment: Sequence[Step]) -> int:
            saved = [step.kept[precision] for step in segment]
            shared = {storage for item in saved for storage in item.shared}
            return sum(item.own_bytes for item in saved) + self._bytes_of(shared - kept, precision)

        return self.kept_bytes(every, batch, precision) + batch * max(
            recomputed(segment) for steps in (self.encoder, self.decoder) for segment in segments(steps, every)
        )

    def _bytes_of(self, storages: Set[int], precision: Precision) -> int:
        return sum(self.storage_bytes[precision][storage] for storage in storages)

    def _kept(self, every: int) -> Set[int]:
        """The storages that are kept all along: those of the states that enter a segment, and `always`."""
        found = set(self.always)
        found.update(self.encoder[end - 1].output for end in range(every, len(self.encoder), every))
        states: dict[int, int] = {}
        for segment in segments(self.decoder, every):
            found.update(states.values())
            states |= {step.resolution: step.output for step in segment}
        return found


def segments(steps: Sequence[Step], every: int) -> Iterator[Sequence[Step]]:
    """The steps in runs of `every`; one empty run if there are none."""
    return (steps[start : start + every] for start in range(0, max(1, len(steps)), every))


def checkpointing(bridge: Bridge) -> Checkpointing:
    """The steps of both stacks with their outputs and what they keep."""
    found = {precision: model_storages(bridge, size) for precision, size in BYTES.items()}
    operations = found["float32"].operations  # the outputs are the same in both

    def steps(indices: Iterable[int]) -> Iterator[Step]:
        for index in indices:
            output = operations[index].output
            assert output is not None  # only parameters have no storage
            kept = {precision: model.operations[index] for precision, model in found.items()}
            yield Step(bridge.operations[index].resolution, output, kept)

    # A mix-in is part of the step of its block, and keeps nothing itself.
    blocks = {index: op for index, op in bridge.decoder if isinstance(op, TopDownBlock)}
    stem, head = 0, len(bridge.operations) - 1
    zeros = (index for index, op in bridge.decoder if isinstance(op, State) and not op.learned)
    read = (operations[op.reads].output for op in blocks.values() if op.reads is not None)
    always = (operations[stem].output, *zeros, *read, operations[head].state)
    return Checkpointing(
        encoder=tuple(steps(index for index, _ in bridge.encoder[1:])),
        decoder=tuple(steps(blocks)),
        always=frozenset(storage for storage in always if storage is not None),
        outside_bytes={
            precision: sum(model.operations[index].own_bytes for index in (stem, head))
            for precision, model in found.items()
        },
        storage_bytes={precision: model.storage_bytes for precision, model in found.items()},
    )
