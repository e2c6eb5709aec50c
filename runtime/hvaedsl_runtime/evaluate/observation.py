"""Record the input and output of every block of a model in forward passes, with hooks that are removed afterwards.

Shape legend: B images, C channels of the state, R a resolution. Tensors are [B, C, R, R] unless noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.cells import Cell, DeterministicBlock
from hvaedsl.nn.steps import TopDown
from hvaedsl_runtime.model import plain_cells

AnyBlock = Cell | DeterministicBlock


@dataclass(frozen=True)
class EncoderVisit:
    """One application of an encoder block, numbered from 0: the state before and after it."""

    index: int
    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class DecoderVisit:
    """One application of a top-down block, numbered from 0, with z from the posterior if it draws a latent.

    A block that draws none reads no activation and has no KL. `parts` has the increments of the named parts that the
    cell has: `h`, the increment of the prior network; `Wz`, the projected latent; `combiner`, the increment of
    combining state and latent; `resnet`, that of the residual step. It is empty for a custom cell that is not a `Cell`.
    """

    index: int
    step: TopDown
    cell: nn.Module  # a Cell, a DeterministicBlock, or one of a custom cell
    before: Tensor
    after: Tensor
    activation: Tensor | None
    kl_nats: Tensor | None  # [B]
    parts: Mapping[str, Tensor]


@contextmanager
def observe(
    model: HierarchicalVAE,
    *,
    encoder: Callable[[EncoderVisit], None] | None = None,
    decoder: Callable[[DecoderVisit], None] | None = None,
) -> Iterator[None]:
    """Call `encoder` and `decoder` at each application of a block, in order, inside the block.

    It is for a single forward pass: enter it again for the next batch.
    """
    with ExitStack() as stack:
        if encoder is not None:
            _observe_encoder(model, encoder, stack)
        if decoder is not None:
            stack.enter_context(plain_cells(model))
            _observe_decoder(model, decoder, stack)
        yield


def _observe_encoder(model: HierarchicalVAE, callback: Callable[[EncoderVisit], None], stack: ExitStack) -> None:
    visits = 0

    def after_block(_: nn.Module, inputs: tuple[Tensor, ...], state: Tensor) -> None:
        nonlocal visits
        callback(EncoderVisit(visits, inputs[0], state))
        visits += 1

    for block in model.encoder.blocks.values():
        _remove_on_exit(stack, block.register_forward_hook(after_block))


def _observe_decoder(model: HierarchicalVAE, callback: Callable[[DecoderVisit], None], stack: ExitStack) -> None:
    parts: dict[str, Tensor] = {}
    steps = iter(enumerate(model.plan.decoder_steps))

    def after_cell(
        cell: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, Tensor, Tensor] | Tensor
    ) -> None:
        (index, step), before = next(steps), inputs[0]
        if isinstance(outputs, Tensor):
            callback(DecoderVisit(index, step, cell, before, outputs, None, None, dict(parts)))
        else:
            after, _, kl_nats = outputs
            callback(DecoderVisit(index, step, cell, before, after, inputs[1], kl_nats, dict(parts)))
        parts.clear()

    # The hooks of the parts run before that of their cell, and fill `parts` for it.
    for block in model.decoder.blocks.values():
        for name, part in block.named_children():
            if name in _PARTS and isinstance(block, Cell | DeterministicBlock):
                _remove_on_exit(stack, part.register_forward_hook(_part_hook(block, name, parts)))
        _remove_on_exit(stack, block.register_forward_hook(after_cell))


def _part_hook(cell: AnyBlock, name: str, parts: dict[str, Tensor]) -> Callable[..., None]:
    def after_part(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        part = _PARTS[name](cell, inputs[0], output)
        if part is not None:
            key, value = part
            parts[key] = value

    return after_part


def _prior_increment(cell: AnyBlock, _: Tensor, output: Tensor) -> tuple[str, Tensor] | None:
    if isinstance(cell, DeterministicBlock):
        return "h", output
    return ("h", output[:, -cell.h_channels :]) if cell.h_channels else None


def _projected_latent(_: AnyBlock, __: Tensor, output: Tensor) -> tuple[str, Tensor]:
    return "Wz", output


def _combiner_increment(_: AnyBlock, state_and_z: Tensor, output: Tensor) -> tuple[str, Tensor]:
    return "combiner", output - state_and_z[:, : output.shape[1]]


def _resnet_increment(_: AnyBlock, state: Tensor, output: Tensor) -> tuple[str, Tensor] | None:
    return ("resnet", output - state) if output.shape == state.shape else None


_PARTS: Mapping[str, Callable[[AnyBlock, Tensor, Tensor], tuple[str, Tensor] | None]] = {
    "prior": _prior_increment,
    "z_proj": _projected_latent,
    "combiner": _combiner_increment,
    "resnet": _resnet_increment,
}


def _remove_on_exit(stack: ExitStack, handle: RemovableHandle) -> None:
    stack.callback(handle.remove)
