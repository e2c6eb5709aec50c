"""What every block reads and gives while images pass through a model; the model is left as it is.

Shape legend: B images, C channels of the state, R a resolution. All tensors here are [B, C, R, R] unless they say more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.cells import Cell
from hvaedsl.nn.steps import TopDown


@dataclass(frozen=True)
class EncoderVisit:
    """One application of an encoder block, counted from 0: the state before it and after it."""

    index: int
    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class DecoderVisit:
    """One application of a top-down block with z from the posterior.

    `parts` is what the cell's named parts give, of those that it has: `h` the increment beside the prior, `Wz` the
    projected latent, `combiner` what combining state and latent adds to the state, `resnet` what the residual step
    adds. Any cell, one's own too, has `before` and `after`.
    """

    step: TopDown
    cell: nn.Module  # a Cell, unless it is one's own that is none
    before: Tensor
    activation: Tensor
    after: Tensor
    kl_nats: Tensor  # [B]
    parts: Mapping[str, Tensor]


@contextmanager
def observed(
    model: HierarchicalVAE,
    *,
    encoder: Callable[[EncoderVisit], None] | None = None,
    decoder: Callable[[DecoderVisit], None] | None = None,
) -> Iterator[None]:
    """While this is open, every pass of images through the model tells of each application of a block, in order.

    One pass at a time: open it anew for the next batch.
    """
    with ExitStack() as stack:
        if encoder is not None:
            _watch_encoder(model, encoder, stack)
        if decoder is not None:
            _watch_decoder(model, decoder, stack)
        yield


def _watch_encoder(model: HierarchicalVAE, tell: Callable[[EncoderVisit], None], stack: ExitStack) -> None:
    visits = 0

    def after_block(_: nn.Module, given: tuple[Tensor, ...], state: Tensor) -> None:
        nonlocal visits
        tell(EncoderVisit(visits, given[0], state))
        visits += 1

    for block in model.encoder.blocks.values():
        _keep(stack, block.register_forward_hook(after_block))


def _watch_decoder(model: HierarchicalVAE, tell: Callable[[DecoderVisit], None], stack: ExitStack) -> None:
    parts: dict[str, Tensor] = {}
    steps = iter(model.plan.decoder_steps)

    def after_cell(cell: nn.Module, given: tuple[Tensor, ...], gives: tuple[Tensor, Tensor, Tensor]) -> None:
        state, activation, _ = given
        following, _, kl_nats = gives
        found = dict(parts)
        parts.clear()
        tell(DecoderVisit(next(steps), cell, state, activation, following, kl_nats, found))

    for block in model.decoder.blocks.values():
        for name, part in block.named_children():
            if name in _PARTS and isinstance(block, Cell):
                _keep(stack, part.register_forward_hook(_part_hook(block, name, parts)))
        _keep(stack, block.register_forward_hook(after_cell))


def _part_hook(cell: Cell, name: str, parts: dict[str, Tensor]) -> Callable[..., None]:
    def after_part(_: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        part = _PARTS[name](cell, given[0], output)
        if part is not None:
            key, value = part
            parts[key] = value

    return after_part


def _increment_beside_prior(cell: Cell, _: Tensor, output: Tensor) -> tuple[str, Tensor] | None:
    return ("h", output[:, -cell.h_channels :]) if cell.h_channels else None


def _projected(_: Cell, __: Tensor, output: Tensor) -> tuple[str, Tensor]:
    return "Wz", output


def _added_in_combination(_: Cell, given: Tensor, output: Tensor) -> tuple[str, Tensor]:
    return "combiner", output - given[:, : output.shape[1]]  # it reads [x, z]


def _added_by_resnet(_: Cell, given: Tensor, output: Tensor) -> tuple[str, Tensor] | None:
    return ("resnet", output - given) if output.shape == given.shape else None


_PARTS: Mapping[str, Callable[[Cell, Tensor, Tensor], tuple[str, Tensor] | None]] = {
    "prior": _increment_beside_prior,
    "z_proj": _projected,
    "combiner": _added_in_combination,
    "resnet": _added_by_resnet,
}


def _keep(stack: ExitStack, handle: RemovableHandle) -> None:
    stack.callback(handle.remove)
