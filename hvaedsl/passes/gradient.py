"""Find the weights that receive no gradient, by traversing the bridge backwards from the loss, and name them."""

from __future__ import annotations

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.bridge import Bridge, EncoderBlock, MixIn, State, Stem, TopDownBlock
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.parameter_names import block_attributes, block_path, parameter_shapes, state_attribute


class Unreached(Record):
    """The weights that receive no gradient."""

    stem: bool
    encoder_groups: tuple[str, ...]  # whole residual blocks
    decoder_groups: tuple[str, ...]  # of top-down blocks, what only the outgoing state trains: all if they do not draw

    states: tuple[int, ...] = ()  # the resolutions of learned states that only such blocks read

    def __bool__(self) -> bool:
        """Whether there are such weights."""
        return self.stem or bool(self.encoder_groups) or bool(self.decoder_groups) or bool(self.states)


def unreached(bridge: Bridge) -> Unreached:
    """The weights that receive no gradient: no application of their group affects a term of the loss."""
    live_states = {bridge.image_resolution}  # resolutions whose current state is read later
    states: list[int] = []
    read: set[int | None] = set()
    reached: set[tuple[str, str]] = set()
    for _, op in reversed(bridge.decoder):
        if isinstance(op, TopDownBlock):
            if op.resolution in live_states or not _outgoing(op):
                reached.add(("decoder", op.group))
            if op.draws:  # its posterior and prior read the incoming state
                live_states.add(op.resolution)
            read.add(op.reads)
        elif isinstance(op, MixIn) and op.resolution in live_states:
            live_states.add(op.source)
        elif isinstance(op, State) and op.learned and op.resolution not in live_states:
            states.append(op.resolution)

    live = False
    for index, encoder_op in reversed(bridge.encoder):
        live = live or index in read
        if live and isinstance(encoder_op, EncoderBlock):
            reached.add(("encoder", encoder_op.group))
        if isinstance(encoder_op, Stem):
            groups = _rest(bridge, EncoderBlock, reached), _rest(bridge, TopDownBlock, reached)
            return Unreached(not live, *groups, tuple(states))
    raise AssertionError("a bridge starts with its stem")


def _outgoing(op: TopDownBlock) -> bool:
    """Whether a block has weights that only its outgoing state trains.

    It is assumed of a custom cell until it is measured.
    """
    if not op.draws:
        return True
    kind = cell_kind(op.cell)
    if kind is None:
        return op.measured is None or bool(op.measured.outgoing)
    return bool(kind.outgoing)


def _rest(bridge: Bridge, kind: type[EncoderBlock | TopDownBlock], reached: set[tuple[str, str]]) -> tuple[str, ...]:
    stack = "encoder" if kind is EncoderBlock else "decoder"
    groups = dict.fromkeys(op.group for op in bridge.operations if isinstance(op, kind))
    return tuple(group for group in groups if (stack, group) not in reached)


def without_gradient(bridge: Bridge) -> tuple[str, ...]:
    """The names of the parameters that no loss reaches."""
    found = unreached(bridge)
    attributes = block_attributes(bridge)
    prefixes = ["encoder.stem."] if found.stem else []
    prefixes += [f"decoder.states.{state_attribute(resolution)}." for resolution in found.states]
    prefixes += [block_path("encoder", attributes["encoder", group]) + "." for group in found.encoder_groups]
    blocks = {op.group: op for op in bridge.operations if isinstance(op, TopDownBlock)}
    for group in found.decoder_groups:
        path = block_path("decoder", attributes["decoder", group])
        parts = _trained_by_outgoing(blocks[group])
        prefixes += [f"{path}."] if parts is None else [f"{path}.{part}." for part in parts]
    # With a point behind it, so that `gate` is not taken for the beginning of `gates`.
    return tuple(name for name in parameter_shapes(bridge) if f"{name}.".startswith(tuple(prefixes)))


def _trained_by_outgoing(block: TopDownBlock) -> tuple[str, ...] | None:
    """Names that only the outgoing state trains: modules within a cell, or single parameters of a custom cell.

    None means all: those of a block that draws no latent.
    """
    if not block.draws:
        return None
    kind = cell_kind(block.cell)
    if kind is None:
        return block.measured.outgoing if block.measured is not None else ()
    return kind.outgoing
