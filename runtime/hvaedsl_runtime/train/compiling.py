"""The blocks of a model as compiled code (`train.compile = blocks`): one graph for each signature, at any depth.

A signature is what a graph is compiled for: the form of a block and the shapes of its inputs and parameters. torch
keeps the graphs of a function, whose inputs are also the parameters; blocks with the same signature therefore share a
graph, and the time to compile does not grow with the depth of the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hvaedsl.diagnostics.errors import NotCompiled
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.forms import FormedCell, FormedDecoder
from hvaedsl.nn.steps import Apply

# Forward passes of so many sizes have graphs; there are several if memory was exhausted.
SIZES = 8
OUR_PARTS = ("hvaedsl.nn.", "torch.nn.")


def compile_blocks(model: HierarchicalVAE, backend: str | Callable[..., Any] = "inductor") -> int:
    """Let training compile every block at its first application; returns the number of signatures.

    A block with custom parts computes as it is.
    """
    encoder, decoder = model.encoder, model.decoder
    forms = decoder.forms if isinstance(decoder, FormedDecoder) else {}
    options: dict[str, Any] = {"dynamic": False, "fullgraph": True, "backend": backend}
    infer = torch.compile(FormedCell.infer, **options)

    signatures: set[tuple[object, ...]] = set()
    for name, resolution in _encoder_resolutions(model):
        if is_ours(block := encoder.blocks[name]):
            block.compile(**options)
            signatures.add((resolution, *_shapes(block)))
    entered: set[int] = set()
    for step in decoder.steps:
        if not is_ours(block := decoder.blocks[step.block]):
            continue
        if isinstance(decoder, FormedDecoder) and step.block in forms:
            decoder.compiled[step.block] = infer
        else:
            block.compile(**options)
        # Without a source the first block of a resolution reads a state of another kind, that of the beginning.
        begins = step.source is None and step.resolution not in entered
        entered.add(step.resolution)
        signatures.add((step.resolution, begins, *_shapes(block), forms.get(step.block)))

    limit = SIZES * len(signatures)
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, limit)
    torch._dynamo.config.accumulated_recompile_limit = max(torch._dynamo.config.accumulated_recompile_limit, limit)
    return len(signatures)


def is_ours(block: nn.Module) -> bool:
    """Whether no part of a block is custom."""
    return all(type(part).__module__.startswith(OUR_PARTS) for part in block.modules())


@contextmanager
def computed_as_is(compiled: str) -> Iterator[None]:
    """Let no block be compiled for what is no training, if `train.compile` is not none."""
    if compiled == "none":
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def not_compiled(error: RuntimeError) -> NotCompiled | None:
    """The error for a user, of an error of torch's compiler; None for others."""
    exceptions = sys.modules.get("torch._dynamo.exc")  # loaded where something was compiled
    if exceptions is None or not isinstance(error, exceptions.TorchDynamoException):
        return None
    inner = getattr(error, "inner_exception", error)
    reason = next((line.strip() for line in str(inner).splitlines() if line.strip()), type(inner).__name__)
    return NotCompiled(
        f"torch cannot compile a block: {reason}",
        help="set train.compile = none, or install what torch.compile needs: a C++ compiler, and Triton for a GPU",
    )


def _encoder_resolutions(model: HierarchicalVAE) -> Iterator[tuple[str, int]]:
    """Each application of a block of the encoder, by its name, and its resolution."""
    resolution, below = model.decoder.resolution, {pool.name: pool.coarse for pool in model.plan.pools}
    for step in model.encoder.steps:
        if isinstance(step, Apply):
            yield step.block, resolution
        else:
            resolution = below[step.pool]


def _shapes(block: nn.Module) -> tuple[object, ...]:
    return (type(block), *(tuple(parameter.shape) for parameter in block.parameters()))
