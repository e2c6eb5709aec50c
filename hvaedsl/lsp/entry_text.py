"""The hover text of a block-list entry: what is applied, with which weights, and its share of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hvaedsl.ir.bridge import EncoderBlock, MixIn, Operation, Pool, TopDownBlock, stack_of
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK
from hvaedsl.ir.shapes import flops, parameters
from hvaedsl.lsp.entries import Compiled, Written
from hvaedsl.syntax import ast

Applied = EncoderBlock | TopDownBlock
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def entry_text(entry: Written, stack: str, written: str, found: Compiled | None, *, is_compiled: bool = True) -> str:
    """Return the hover text of an entry as Markdown, with figures if a compilation is valid for it."""
    operations = found.operations(entry.span) if found is not None else ()
    if found is None:
        why = (
            "no figures: the spec does not compile yet" if is_compiled else "no figures yet: the spec is being compiled"
        )
        return f"`{written}`: {_without_figures(entry, stack)} ({why})"
    return applied_text(written, found, operations)


def applied_text(written: str, found: Compiled, operations: Sequence[Operation]) -> str:
    """Return the hover text of an entry that became these operations of one stack."""
    blocks = blocks_of(operations)
    if not blocks:  # its count is 0, or that of a repetition around it
        return f"`{written}`: no block, since a count is 0"

    lines = [f"`{written}`: {_applied(blocks)}", *_moves(operations)]
    lines.append(f"- {_channels(blocks[0])}")
    lines.append(f"- {_weights(found, blocks)}")
    if isinstance(blocks[0], TopDownBlock):
        lines.append(f"- {_latents(blocks, found.cost.stochastic_depth)}")
    spent = sum(map(flops, operations))
    lines.append(f"- {amount(spent)}FLOPs for one image ({share(spent, found.cost.flops_per_image)} of the model)")
    return "\n".join([lines[0], "", *lines[1:]])


def list_text(found: Compiled, operations: Sequence[Operation], stack: str) -> str:
    """Return the parameters, blocks and depth that the use of a list adds to its stack, in one line."""
    blocks = blocks_of(operations)
    layers = sum(isinstance(op, TopDownBlock) and op.layer is not None for op in blocks)
    depth = f", {layers:,} of {found.cost.stochastic_depth:,} latents" if stack == "decoder" else ""
    return f"In the {stack}: {block_count(blocks)}{depth}, {_weights(found, blocks) if blocks else 'no weights'}"


def blocks_of(operations: Iterable[Operation]) -> list[Applied]:
    """The blocks among operations."""
    return [op for op in operations if isinstance(op, EncoderBlock | TopDownBlock)]


def block_count(blocks: Sequence[Applied]) -> str:
    """The number of blocks in words."""
    return "1 block" if len(blocks) == 1 else f"{len(blocks):,} blocks"


def weights_of(blocks: Iterable[Applied]) -> int:
    """The parameters of blocks, those of shared weights once."""
    return sum(map(parameters, _owners(blocks).values()))


def _owners(blocks: Iterable[Applied]) -> dict[str, Applied]:
    """The first of the blocks with each set of weights."""
    owners: dict[str, Applied] = {}
    for op in blocks:
        owners.setdefault(op.group, op)
    return owners


def _without_figures(entry: Written, stack: str) -> str:
    what = "residual" if stack == "encoder" else "top-down"
    if not isinstance(entry, ast.Block | ast.BlockOf):
        return f"one {what} block at this resolution"
    at = f"{entry.resolution}x{entry.resolution}"
    meanings = {
        "x": f"{what} blocks at {at}, each with its own weights",
        "r": f"one {what} block at {at}, applied several times with the same weights",
        "d": f"one {what} block at {at}, then pooling",
        "m": f"one {what} block at {at} that first mixes in the state of a lower resolution",
    }
    return meanings.get(entry.operator, "not an entry")


def _applied(blocks: Sequence[Applied]) -> str:
    what = "residual block" if isinstance(blocks[0], EncoderBlock) else "top-down block"
    groups = len({op.group for op in blocks})
    at = f"{blocks[0].resolution}x{blocks[0].resolution}"
    if groups == 1 and len(blocks) == 1:
        return f"one {what} at {at}"
    if groups == 1:
        return f"one {what} applied {len(blocks):,} times at {at}"
    if groups == len(blocks):
        return f"{groups:,} {what}s at {at}, each with its own weights"
    return f"{groups:,} {what}s at {at}, each applied {len(blocks) // groups:,} times"


def _moves(operations: Sequence[Operation]) -> Iterator[str]:
    """The step to another resolution, which is the same for every copy of the entry."""
    for op in operations:
        if isinstance(op, Pool):
            yield f"- then {op.method} pooling by {op.factor} to {op.to}x{op.to}"
            return
        if isinstance(op, MixIn):
            yield f"- first mixes in the state of {op.source}x{op.source}, {op.embedding} upsampling"
            return


def _channels(block: Applied) -> str:
    size = f"{block.kernel}x{block.kernel}"
    inside = f"{block.channels:,} channels, {block.mid:,} inside, {size} kernels"
    if isinstance(block, TopDownBlock):
        inside += f", latent {block.latent:,}, cell {block.cell}"
    return inside if block.block == DEFAULT_BLOCK else f"{inside}, block {block.block}"


def _weights(found: Compiled, blocks: Sequence[Applied]) -> str:
    count, names = weights_of(blocks), list(_owners(blocks))
    named = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names):,} sets)"
    part = share(count, found.cost.parameters)
    others = _applied_elsewhere(found, blocks, set(names))
    shared = f", shared with {others:,} application{'s' * (others != 1)} elsewhere" if others else ""
    return f"weights {named}: {count:,} parameters ({part} of the model){shared}"


def _applied_elsewhere(found: Compiled, blocks: Sequence[Operation], groups: set[str]) -> int:
    stack = stack_of(blocks[0])
    everywhere = sum(
        isinstance(op, EncoderBlock | TopDownBlock) and stack_of(op) == stack and op.group in groups
        for op in found.bridge.operations
    )
    return everywhere - len(blocks)


def _latents(blocks: Sequence[Operation], depth: int) -> str:
    drawn = [op for op in blocks if isinstance(op, TopDownBlock)]
    layers = [op.layer for op in drawn if op.layer is not None]
    if not layers:
        return "no latent: the next state is a function of the state"
    shape = f"{drawn[0].latent:,}x{drawn[0].resolution}x{drawn[0].resolution}"
    if len(layers) == 1:
        return f"one latent of {shape}, number {layers[0] + 1:,} of {depth:,}"
    consecutive = layers[-1] - layers[0] + 1 == len(layers)
    place = f", numbers {layers[0] + 1:,} to {layers[-1] + 1:,} of {depth:,}" if consecutive else ""
    return f"{len(layers):,} latents of {shape}{place}"


def share(part: int, whole: int) -> str:
    """A part of a whole in percent."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.1f} %" if percent >= 0.05 else "below 0.1 %"


def amount(count: float) -> str:
    """A large number with an SI prefix, to be followed by a unit."""
    for size, prefix in _PREFIXES:
        if count >= size:
            return f"{count / size:.3g} {prefix}"
    return f"{count:.0f} "
