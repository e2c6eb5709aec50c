"""Synchronous processing (the paper, G.4.5): each decoder block reads its partner in the encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import hvaedsl

SETS = {
    "model.processing": "synchronous",
    "model.encoder": "8x1, 8r2, 8d2, 4x2, 4d4, 1x1",
    "model.decoder": "1x1, 4m1, 4r2, 8m4, 8x3",
    "model.width": 8,
}


def test_the_posterior_reads_the_encoder_in_reverse() -> None:
    torch.manual_seed(0)
    program = hvaedsl.load("digits.hvae", sets={**SETS, "train.passes": "none"})  # hooks see the cells
    model = program.module().double()
    produced: dict[int, list[Tensor]] = {}
    read: dict[int, list[Tensor]] = {}

    def produce(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        produced.setdefault(output.shape[-1], []).append(output)

    def consume(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read.setdefault(inputs[1].shape[-1], []).append(inputs[1])

    for block in model.encoder.blocks.values():
        block.register_forward_hook(produce)
    for cell in model.decoder.blocks.values():
        cell.register_forward_pre_hook(consume)
    x = torch.randn((2, 8, 8, 1), dtype=torch.float64)
    model(x, torch.zeros_like(x)).loss_nats_per_dim.backward()

    assert {r: len(outputs) for r, outputs in produced.items()} == {8: 4, 4: 3, 1: 1}
    for resolution, outputs in produced.items():
        assert all(torch.equal(a, b) for a, b in zip(read[resolution], reversed(outputs), strict=True))
    assert program.without_gradient == ()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert len(read[8]) == 4


def test_asynchronous_processing_reads_one_activation() -> None:
    sets = SETS | {"model.processing": "asynchronous"}
    bridge = hvaedsl.load("digits.hvae", sets=sets).bridge
    reads: dict[int, set[int | None]] = {}
    for _, op in bridge.decoder:
        if op.kind == "top_down_block":
            reads.setdefault(op.resolution, set()).add(getattr(op, "reads", None))
    assert all(len(found) == 1 for found in reads.values())
