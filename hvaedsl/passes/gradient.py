"""Find the weights that receive no gradient, by traversing the bridge backwards from the loss."""

from __future__ import annotations

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, EncoderBlock, MixIn, Stem, TopDownBlock
from hvaedsl.ir.cells import cell_kind


class Unreached(Record):
    """The weights that receive no gradient."""

    stem: bool
    encoder_groups: tuple[str, ...]  # whole residual blocks
    decoder_groups: tuple[str, ...]  # of top-down blocks, the parts that only the outgoing state trains

    def __bool__(self) -> bool:
        """Whether there are such weights."""
        return self.stem or bool(self.encoder_groups) or bool(self.decoder_groups)


def unreached(bridge: Bridge) -> Unreached:
    """The weights that receive no gradient: no application of their group affects a term of the loss."""
    live_states = {bridge.image_resolution}  # resolutions whose current state is read later
    read: set[int | None] = set()
    reached: set[tuple[str, str]] = set()
    for _, op in reversed(bridge.decoder):
        if isinstance(op, TopDownBlock):
            if op.resolution in live_states or not _outgoing(op):
                reached.add(("decoder", op.group))
            live_states.add(op.resolution)  # its posterior and prior read the incoming state
            read.add(op.reads)
        elif isinstance(op, MixIn):
            live_states.add(op.source)

    live = False
    for index, encoder_op in reversed(bridge.encoder):
        live = live or index in read
        if live and isinstance(encoder_op, EncoderBlock):
            reached.add(("encoder", encoder_op.group))
        if isinstance(encoder_op, Stem):
            return Unreached(not live, _rest(bridge, EncoderBlock, reached), _rest(bridge, TopDownBlock, reached))
    raise AssertionError("a bridge starts with its stem")


def _outgoing(op: TopDownBlock) -> bool:
    """Whether a cell has weights that only its outgoing state trains; assumed of a custom cell until it is measured."""
    kind = cell_kind(op.cell)
    if kind is None:
        return op.measured is None or bool(op.measured.outgoing)
    return bool(kind.outgoing)


def _rest(bridge: Bridge, kind: type[EncoderBlock | TopDownBlock], reached: set[tuple[str, str]]) -> tuple[str, ...]:
    stack = "encoder" if kind is EncoderBlock else "decoder"
    groups = dict.fromkeys(op.group for op in bridge.operations if isinstance(op, kind))
    return tuple(group for group in groups if (stack, group) not in reached)
