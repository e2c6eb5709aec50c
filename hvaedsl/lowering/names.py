"""The names of parameters in the published code."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.ir.bridge import Bridge, EncoderBlock, State, TopDownBlock
from hvaedsl.ir.cells import CELLS, cell_kind
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.parameter_names import block_attributes, parameter_shapes, state_attribute
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK
from hvaedsl.nn.published import published_names as _published_names
from hvaedsl.nn.published import published_prefixes

_PUBLISHED_LIKELIHOODS = ("bernoulli", "mixture_of_logistics")


def published_names(bridge: Bridge) -> dict[str, tuple[str, ...]]:
    """Each parameter's names in the published code, that of the first application first.

    Empty if a residual block, a cell, a block without a latent, or the likelihood is not in the published code.
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
    if others := unpublished_blocks(bridge):
        shown = listing(others, "and")
        return f"the published code has the residual block {DEFAULT_BLOCK} alone, and no names for {shown}"
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


def unpublished_blocks(bridge: Bridge) -> tuple[str, ...]:
    """The residual blocks that are not the published one, each once."""
    blocks = (op.block for op in bridge.operations if isinstance(op, EncoderBlock | TopDownBlock))
    return tuple(dict.fromkeys(block for block in blocks if block != DEFAULT_BLOCK))


def _is_published(bridge: Bridge) -> bool:
    blocks = [op for op in bridge.operations if isinstance(op, TopDownBlock)]
    cells = [cell_kind(op.cell) for op in blocks]
    published = all(kind is not None and kind.published for kind in cells) and all(op.draws for op in blocks)
    published &= bridge.head.likelihood.startswith(_PUBLISHED_LIKELIHOODS)
    return published and not unpublished_blocks(bridge)


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
