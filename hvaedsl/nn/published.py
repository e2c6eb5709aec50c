"""The parameter names of the published code (openai/vdvae). Imports no torch.

A block's index there is the position of its application in the expanded stack, so that a shared block has one name for
each application.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

# The parts of a top-down block, ours and theirs.
PUBLISHED_PARTS = (("posterior", "enc"), ("prior", "prior"), ("z_proj", "z_proj"), ("resnet", "resnet"))


def published_prefixes(
    encoder_blocks: Sequence[str], decoder_blocks: Sequence[str], learned: Iterable[tuple[int, str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Our prefix of each parameter or module, and the published ones, that of the first application first.

    Blocks are named once for each application, in order; `learned` are resolution and name of learned initial states.
    """
    yield "encoder.stem", ("encoder.in_conv",)
    for name, positions in _positions(encoder_blocks):
        yield f"encoder.blocks.{name}", tuple(f"encoder.enc_blocks.{index}" for index in positions)
    for name, positions in _positions(decoder_blocks):
        for ours, published in PUBLISHED_PARTS:
            names = tuple(f"decoder.dec_blocks.{index}.{published}" for index in positions)
            yield f"decoder.blocks.{name}.{ours}", names
    for index, (_, name) in enumerate(sorted(learned)):
        yield f"decoder.states.{name}", (f"decoder.bias_xs.{index}",)
    yield "decoder.gain", ("decoder.gain",)
    yield "decoder.bias", ("decoder.bias",)
    yield "likelihood.out_conv", ("decoder.out_net.out_conv",)


def published_names(
    parameters: Iterable[str], prefixes: Iterable[tuple[str, tuple[str, ...]]]
) -> dict[str, tuple[str, ...]]:
    """Each parameter's names in the published code, that of the first application first."""
    by_prefix = dict(prefixes)
    found: dict[str, tuple[str, ...]] = {}
    for name in parameters:
        prefix = name
        while prefix not in by_prefix:
            prefix = prefix.rpartition(".")[0]
        found[name] = tuple(published + name[len(prefix) :] for published in by_prefix[prefix])
    return found


def _positions(names: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name, []).append(position)
    return iter(found.items())
