"""The analysis `discarded`: what enters each pooling, and the share of it that goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hvaedsl
from hvaedsl import Program
from hvaedsl.lowering.plan import Downsample
from hvaedsl_runtime.analysis.base import Result, Subject
from hvaedsl_runtime.analysis.discarded import ANALYSIS, DiscardedShares, PoolingAt, discarded_share, poolings
from hvaedsl_runtime.analysis.figures import svg
from hvaedsl_runtime.finished_run import FinishedRun
from hvaedsl_runtime.loop import train
from hvaedsl_runtime.settings import RunSettings

Compiled = Callable[..., Program]


def examined(program: Program, out: Path) -> tuple[Subject, Result]:
    train(program, RunSettings(out=out, device="cpu", threads=1))
    subject = Subject(FinishedRun.open(out, "cpu"))
    return subject, ANALYSIS.run(subject)


def test_the_share_of_known_fields() -> None:
    flat = torch.ones((1, 2, 4, 4))
    checkerboard = (torch.arange(4).view(1, -1) + torch.arange(4).view(-1, 1)) % 2 * 2.0 - 1
    noise = torch.randn((50, 8, 16, 16), generator=torch.Generator().manual_seed(0))
    assert discarded_share(flat, 2).tolist() == [0]
    assert discarded_share(checkerboard.view(1, 1, 4, 4), 2).tolist() == [1]
    assert discarded_share(torch.zeros((1, 1, 4, 4)), 4).tolist() == [0]
    assert discarded_share(noise, 4).mean().item() == pytest.approx(1 - 1 / 16, abs=0.005)


@pytest.mark.parametrize("processing", ["asynchronous", "synchronous"])
def test_what_is_seen_is_what_enters_the_pooling(processing: str) -> None:
    """Shared blocks among them: `8r2` is one module, applied twice."""
    sets = {
        "model.encoder": "8r2, 8d2, 4d4, 1x1",
        "model.decoder": "1x1, 4m1, 8m4, 8r2",
        "model.processing": processing,
    }
    model = hvaedsl.load("specs/digits.hvae", sets=sets).module().double()
    where = poolings(model)
    assert where == (PoolingAt(2, 8, 2), PoolingAt(3, 4, 4))
    x = torch.randn((3, 8, 8, 1), dtype=torch.float64)
    seen = DiscardedShares(where)
    with seen.watching(model.encoder):
        model.encode(x)
    state, expected = model.encoder.stem(x.permute(0, 3, 1, 2)), []
    for step in model.plan.encoder_steps:
        if isinstance(step, Downsample):
            expected.append(discarded_share(state, step.factor))
        state, _ = model.encoder.walk(state, [step])
    for pooling, share in zip(where, expected, strict=True):
        (found,) = seen.shares[pooling.application]
        assert torch.equal(found, share)
    assert not any(block._forward_hooks for block in model.encoder.blocks.values())


def test_the_trained_model_beside_the_initial_one(tmp_path: Path, compiled: Compiled) -> None:
    subject, result = examined(compiled(), tmp_path / "run")
    rows = result.data["poolings"]
    assert isinstance(rows, list)
    ((resolution, factor),) = [(row["resolution"], row["factor"]) for row in rows]
    assert (resolution, factor) == (8, 2)
    initial = DiscardedShares(poolings(subject.model))
    model = subject.run.initial_model()
    with initial.watching(model.encoder), torch.no_grad():
        model.encode(subject.evaluator.prepared(subject.indices(128))[0])
    (share,) = initial.shares[1]
    assert result.data["images"] == len(share) == 11
    assert rows[0]["initial_share_mean"] == pytest.approx(share.mean().item(), rel=1e-5)
    assert rows[0]["trained_share_mean"] != rows[0]["initial_share_mean"]
    assert "no verification of Theorem 3" in result.text
    assert svg(result.drawings[0].figure).startswith(b"<?xml")


def test_an_encoder_that_never_pools_says_so(tmp_path: Path, compiled: Compiled) -> None:
    program = compiled({"model.encoder": "8x1", "model.decoder": "8x2", "train.steps": 1})
    _, result = examined(program, tmp_path / "run")
    assert "pools nowhere" in result.text
    assert result.data["poolings"] == []
    assert result.drawings == ()
