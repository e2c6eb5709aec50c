"""Activation memory with checkpoints, counted without torch, against the storages that torch keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.utils.checkpoint
from torch import Tensor

import hvaedsl
from hvaedsl.nn import recomputation


def tensors_in(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def kept_bytes(program: hvaedsl.Program, every: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes of all storages that autograd keeps, and of those that the checkpointed functions are called with again."""
    data, model = program.spec.data, program.module()
    x = torch.randn(batch, *data.shape[:2], program.bridge.stem.in_channels)
    target = torch.zeros(batch, *data.shape)
    given = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers(), x, target)}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if tensor.numel() and address not in given:
            kept[address] = tensor  # holds the storage, so that its address is not used again
        return tensor

    checkpoint = torch.utils.checkpoint.checkpoint

    def recorded(function: Callable[..., object], *args: Any, **options: Any) -> object:
        for value in args:
            for tensor in tensors_in(value):
                pack(tensor)
        return checkpoint(function, *args, **options)

    monkeypatch.setattr(recomputation, "checkpoint", recorded)
    model.recompute_every = every
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x, target).loss_nats_per_dim.requires_grad_()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("every", [1, 2, 3, 100])
def test_kept_bytes(program: hvaedsl.Program, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = program.checkpointing.kept_bytes(every, 3)
    assert counted == kept_bytes(program, every, 3, monkeypatch)


def test_one_segment_saves_everything_again(program: hvaedsl.Program) -> None:
    """The whole of one stack, and what is kept anyway."""
    checkpointing, everything = program.checkpointing, program.cost.activation_bytes(2)
    whole = checkpointing.steps
    kept, peak = checkpointing.kept_bytes(whole, 2), checkpointing.peak_bytes(whole, 2)
    assert kept < peak < kept + everything


def test_a_deep_model_needs_far_less() -> None:
    program = hvaedsl.load("cifar_ws_25m.hvae")
    everything = program.cost.activation_bytes(16)
    assert program.checkpointing.peak_bytes(8, 16) < everything / 5
    assert program.checkpointing.peak_bytes(8, 16, "bfloat16") < program.checkpointing.peak_bytes(8, 16)
    assert program.checkpointing.kept_bytes(8, 16) < program.checkpointing.kept_bytes(1, 16)


def test_kept_bytes_bfloat16(program: hvaedsl.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copies of the weights do not grow with the batch; what does is counted within 2 %."""
    with torch.autocast("cpu", torch.bfloat16):
        grown = kept_bytes(program, 2, 5, monkeypatch) - kept_bytes(program, 2, 2, monkeypatch)
    assert program.checkpointing.kept_bytes(2, 3, "bfloat16") == pytest.approx(grown, rel=0.02)
