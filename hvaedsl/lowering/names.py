"""The names of modules and parameters: in our module tree, and in the published code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hvaedsl.ir.bridge import Block, Bridge, EncoderBlock, Head, Operation, Stack, State, Stem, TopDownBlock, stack_of
from hvaedsl.ir.cells import CELLS, cell_kind
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.shapes import Convolution, arrays, convolutions
from hvaedsl.nn.published import published_names as _published_names
from hvaedsl.nn.published import published_prefixes
from hvaedsl.passes.gradient import Unreached

# A weight group: its stack, and its name there.
Group = tuple[Stack, str]


def block_attributes(bridge: Bridge) -> dict[Group, str]:
    """The attribute of each weight group: `r16_0`, the resolution and its number there, labeled or not.

    Groups are numbered in the order of their first application, so that the name of a parameter depends on the place of
    its block, and not on the label.
    """
    return numbered(first_applications(bridge))


def numbered(first_applications: Iterable[tuple[Group, Block]]) -> dict[Group, str]:
    """The resolution of each group and its number there, in their order."""
    begun: Counter[tuple[Stack, int]] = Counter()
    found: dict[Group, str] = {}
    for group, op in first_applications:
        place = (stack_of(op), op.resolution)
        found[group] = f"r{op.resolution}_{begun[place]}"
        begun[place] += 1
    return found


def block_path(stack: Stack, attribute: str) -> str:
    """The path of a block's module: `decoder.blocks.r8_0`."""
    return f"{stack}.blocks.{attribute}"


def first_applications(bridge: Bridge) -> Iterator[tuple[Group, Block]]:
    """Each weight group with its first application, in order."""
    for op in bridge.operations:
        if isinstance(op, EncoderBlock | TopDownBlock) and op.application == 0:
            yield (stack_of(op), op.group), op


def state_attribute(resolution: int) -> str:
    """The attribute of the learned state of a resolution."""
    return f"r{resolution}"


def resampling_attribute(start: int, end: int) -> str:
    """The attribute of the pooling, or the embedding, from one resolution to another."""
    return f"r{start}_to_r{end}"


def parameter_shapes(bridge: Bridge) -> dict[str, tuple[int, ...]]:
    """Every parameter of the lowered module by name, `model.named_parameters()` without torch.

    For custom parts, those that have been measured.
    """
    attributes = block_attributes(bridge)
    found: dict[str, tuple[int, ...]] = {}
    for op in bridge.operations:
        path = _path(op, attributes)
        for conv in convolutions(op):
            name = _join(path, conv.name)
            found[f"{name}.weight"] = _weight_shape(conv)
            found[f"{name}.bias"] = (conv.out_channels,)
        for array, shape in arrays(op):
            found[
                f"decoder.states.{state_attribute(op.resolution)}" if isinstance(op, State) else f"decoder.{array}"
            ] = shape
        if isinstance(op, TopDownBlock | Head) and op.measured is not None:
            found |= {_join(path, name): shape for name, shape in op.measured.parameters}
    return found


def without_gradient(bridge: Bridge, found: Unreached) -> tuple[str, ...]:
    """The names of the parameters that no loss reaches."""
    attributes = block_attributes(bridge)
    prefixes = ["encoder.stem."] if found.stem else []
    prefixes += [f"decoder.states.{state_attribute(resolution)}." for resolution in found.states]
    prefixes += [block_path("encoder", attributes["encoder", group]) + "." for group in found.encoder_groups]
    blocks = {op.group: op for op in bridge.operations if isinstance(op, TopDownBlock)}
    for group in found.decoder_groups:
        path = block_path("decoder", attributes["decoder", group])
        parts = _outgoing(blocks[group])
        prefixes += [f"{path}."] if parts is None else [f"{path}.{part}." for part in parts]
    # With a point behind it, so that `gate` is not taken for the beginning of `gates`.
    return tuple(name for name in parameter_shapes(bridge) if f"{name}.".startswith(tuple(prefixes)))


def _outgoing(block: TopDownBlock) -> tuple[str, ...] | None:
    """Names that only the outgoing state trains: modules within a cell, or single parameters of a custom cell.

    None means all: those of a block that draws no latent.
    """
    if not block.draws:
        return None
    kind = cell_kind(block.cell)
    if kind is None:
        return block.measured.outgoing if block.measured is not None else ()
    return kind.outgoing


def published_names(bridge: Bridge) -> dict[str, tuple[str, ...]]:
    """Each parameter's names in the published code, that of the first application first.

    Empty if a block's cell, a block without a latent, or the likelihood, is not in the published code.
    """
    if not _is_published(bridge):
        return {}
    attributes = block_attributes(bridge)
    prefixes = published_prefixes(
        [attributes["encoder", op.group] for op in bridge.operations if isinstance(op, EncoderBlock)],
        [attributes["decoder", op.group] for op in bridge.operations if isinstance(op, TopDownBlock)],
        [
            (op.resolution, state_attribute(op.resolution))
            for op in bridge.operations
            if isinstance(op, State) and op.learned
        ],
    )
    return _published_names(parameter_shapes(bridge), prefixes)


def unpublished(bridge: Bridge, likelihood: Likelihood) -> str | None:
    """Why the parameters have no names in the published code; None if they have."""
    if _is_published(bridge):
        return None
    if not all(op.draws for op in bridge.operations if isinstance(op, TopDownBlock)):
        return (
            "the published code draws a latent in every block of the decoder, and has no names for blocks without one"
        )
    cells = ", ".join(dict.fromkeys(op.cell for op in bridge.operations if isinstance(op, TopDownBlock)))
    known = " and ".join(name for name, kind in CELLS.items() if kind.published)
    return (
        f"the published code has names for the cells {known} under its own likelihoods, not for {cells} under "
        f"{likelihood}"
    )


def _is_published(bridge: Bridge) -> bool:
    blocks = [op for op in bridge.operations if isinstance(op, TopDownBlock)]
    cells = [cell_kind(op.cell) for op in blocks]
    published = all(kind is not None and kind.published for kind in cells) and all(op.draws for op in blocks)
    return published and bool(bridge.head.outputs)


def published_parameters(bridge: Bridge) -> dict[str, str]:
    """Every parameter of the published code's model, in its order, and which of ours it is; that of a shared block
    once for each application.

    The order is that of the code's `parameters()`: its optimizer numbers its state in this order. Empty if a block's
    cell is not in the published code.
    """
    found = [(name, ours) for ours, names in published_names(bridge).items() for name in names]
    return dict(sorted(found, key=lambda pair: _published_place(pair[0])))  # stable: inside a block our order is theirs


# As torch walks the published modules: a module's own parameters come before those of the modules inside it.
_PUBLISHED_ORDER = (
    "encoder.in_conv",
    "encoder.enc_blocks",
    "decoder.gain",
    "decoder.bias",
    "decoder.dec_blocks",
    "decoder.bias_xs",
    "decoder.out_net",
)


def _published_place(name: str) -> tuple[int, int]:
    stack, part, *rest = name.split(".")
    return _PUBLISHED_ORDER.index(f"{stack}.{part}"), int(rest[0]) if rest and rest[0].isdigit() else 0


def _path(op: Operation, attributes: Mapping[Group, str]) -> str:
    match op:
        case Stem():
            return "encoder.stem"
        case EncoderBlock() | TopDownBlock():
            stack = stack_of(op)
            return block_path(stack, attributes[stack, op.group])
        case Head():
            return "likelihood"
        case _:
            return ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if name else path


def _weight_shape(conv: Convolution) -> tuple[int, ...]:
    return (conv.out_channels, conv.in_channels, conv.kernel, conv.kernel)
