"""The storages that autograd keeps of a whole model: a walk over the states of both passes.

A storage is known by the index i of the operation that fills it, and that of its GELU by -1 - i. A state that several
operations keep is one storage.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import (
    Bridge,
    EncoderBlock,
    Head,
    MixIn,
    Operation,
    Pool,
    State,
    Stem,
    TopDownBlock,
    output_size,
    shape_of,
)
from hvaedsl.ir.memory import HIGH, Kept, kept_by


class KeptStorages(NamedTuple):
    """What one operation keeps of one image, and the storage of the state that it gives."""

    own_bytes: int  # of tensors that it makes, its output aside
    state: int | None  # the storage of its incoming state, if it keeps that and it is no parameter
    output: int | None  # None for a parameter, and for the head
    of_encoder: tuple[int, ...] = ()  # the storages of the activation that it reads and of its GELU, if it keeps them

    @property
    def shared(self) -> tuple[int, ...]:
        """The storages that other operations may keep too."""
        return self.of_encoder if self.state is None else (self.state, *self.of_encoder)


class ModelStorages(Record):
    """What autograd keeps of one image, operation by operation."""

    operations: tuple[KeptStorages, ...]
    storage_bytes: Mapping[int, int]

    def bytes_by_operation(self) -> tuple[int, ...]:
        """The bytes that each operation keeps. A shared storage counts for the first operation that keeps it."""
        counted: set[int] = set()
        found: list[int] = []
        for op in self.operations:
            new = [storage for storage in op.shared if storage not in counted]
            found.append(op.own_bytes + sum(self.storage_bytes[storage] for storage in new))
            counted.update(new)
        return tuple(found)


class _State(NamedTuple):
    storage: int | None  # None for a parameter
    has_gradient: bool = True


def model_storages(bridge: Bridge, precision_bytes: int) -> ModelStorages:
    """What a model keeps; `precision_bytes` is 4 for float32, 2 for bfloat16 autocast."""
    walk = _Walk(precision_bytes)
    return ModelStorages(tuple(walk.take(index, op) for index, op in enumerate(bridge.operations)), walk.storage_bytes)


class _Walk:
    """The states after the operations that have been taken."""

    def __init__(self, low: int) -> None:
        self.low = low
        self.storage_bytes: dict[int, int] = {}
        self.encoder = _State(None)
        self.decoder: dict[int, _State] = {}
        self.known: dict[Hashable, Kept] = {}  # a model has many operations and few shapes

    def take(self, index: int, op: Operation) -> KeptStorages:
        """What an operation keeps; its output becomes the state of its stack and resolution."""
        match op:
            case Stem() | EncoderBlock() | Pool():
                state = self.encoder
                self.encoder = self._encoder_state(index, op)
                output = self.encoder.storage
            case State() | MixIn() | TopDownBlock():
                state = self.decoder.get(op.resolution, _State(None))
                self.decoder[op.resolution] = self._decoder_state(index, op)
                output = self.decoder[op.resolution].storage
            case Head():
                state, output = self.decoder.get(op.resolution, _State(None)), None
        kept = self._kept(op, state.has_gradient)
        of_encoder = self._of_encoder(op, kept) if isinstance(op, TopDownBlock) and op.reads is not None else ()
        return KeptStorages(kept.own_bytes, state.storage if kept.keeps_state else None, output, of_encoder)

    def _of_encoder(self, op: TopDownBlock, kept: Kept) -> tuple[int, ...]:
        """The storages of the activation that a block reads, and of its GELU, as far as the block keeps them."""
        assert op.reads is not None
        activated = -1 - op.reads
        if kept.activated_bytes:
            self.storage_bytes[activated] = kept.activated_bytes
        return (*[op.reads] * kept.keeps_activation, *[activated] * bool(kept.activated_bytes))

    def _encoder_state(self, index: int, op: Stem | EncoderBlock | Pool) -> _State:
        self.storage_bytes[index] = self.low * op.channels * math.prod(output_size(op))
        return _State(index)

    def _decoder_state(self, index: int, op: State | MixIn | TopDownBlock) -> _State:
        if isinstance(op, State) and op.learned:
            return _State(None)
        self.storage_bytes[index] = HIGH * op.channels * op.pixels
        return _State(index, has_gradient=not isinstance(op, State))

    def _kept(self, op: Operation, has_gradient: bool) -> Kept:
        key = (shape_of(op), has_gradient, isinstance(op, TopDownBlock) and op.reads is None)
        if key not in self.known:
            self.known[key] = kept_by(op, self.low, has_gradient=has_gradient)
        return self.known[key]
