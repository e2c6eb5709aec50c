"""The analysis `discarded`: the input of each pooling, and the share of it that is discarded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl import Program
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.steps import Downsample
from hvaedsl_runtime.analysis.base import Result, Subject
from hvaedsl_runtime.analysis.discarded import ANALYSIS, PROJECTIONS, DiscardedShares, discarded_share
from hvaedsl_runtime.analysis.figures import svg
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.theory.projection import (
    Projection,
    average_projection,
    haar_levels,
    strided_projection,
    wavelet_projection,
)
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

Compiled = Callable[..., Program]


def examined(program: Program, out: Path) -> tuple[Subject, Result]:
    train(program, RunSettings(out=out, device="cpu", threads=1))
    subject = Subject(FinishedRun.open(out, "cpu"))
    return subject, ANALYSIS.run(subject)


def shares_of(model: HierarchicalVAE, x: Tensor) -> DiscardedShares:
    shares = DiscardedShares(model)
    with shares.recording(), torch.no_grad():
        model.encode(x)
    assert not any(pool._forward_hooks for pool in model.encoder.pools.values())
    return shares


def test_the_share_of_known_fields() -> None:
    a, zero = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2), torch.zeros((1, 1, 1, 2))
    assert discarded_share(a, a).tolist() == [0]
    assert discarded_share(a, zero).tolist() == [1]
    assert discarded_share(zero, zero).tolist() == [0]
    assert discarded_share(a, a * torch.tensor([1.0, 0.0])).tolist() == [pytest.approx(16 / 25)]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("processing", ["asynchronous", "synchronous"])
def test_the_recorded_activation_is_the_input_of_the_pooling(processing: str, pooling: str) -> None:
    """With a shared block: `8r2` is one module that is applied twice."""
    sets = {
        "model.encoder": "8r2, 8d2, 4d4, 1x1",
        "model.decoder": "1x1, 4m1, 8m4, 8r2",
        "model.processing": processing,
        "model.pooling": pooling,
    }
    model = hvaedsl.load("specs/digits.hvae", sets=sets).module().double()
    x = torch.randn((3, 8, 8, 1), dtype=torch.float64)
    shares = shares_of(model, x)
    state, expected = model.encoder.stem(x.permute(0, 3, 1, 2)), []
    factors = {pool.name: pool.factor for pool in model.plan.pools}
    for step in model.plan.encoder_steps:
        if isinstance(step, Downsample):
            factor = factors[step.pool]
            levels = haar_levels(factor)
            project: dict[str, Projection] = {
                "average": average_projection,
                "strided": strided_projection,
                "wavelet(haar)": average_projection,
                "wavelet(db2)": lambda a, _, levels=levels: wavelet_projection(a.detach(), levels, "db2"),  # type: ignore[misc]
            }
            expected.append(discarded_share(state, project[pooling](state, factor)))
        state, _ = model.encoder.walk(state, [step])
    assert [pool.fine for pool in model.plan.pools] == [8, 4]
    for pool, share in zip(model.plan.pools, expected, strict=True):
        (found,) = shares.shares[pool.name]
        assert torch.allclose(found, share, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("pooling", "expected"), [("average", 3 / 4), ("strided", 3 / 2), ("wavelet(db2)", 3 / 4)])
def test_the_share_of_noise_is_that_of_the_text(pooling: str, expected: float) -> None:
    assert pooling in PROJECTIONS
    sets: dict[str, object] = {"model.pooling": pooling}
    model = hvaedsl.load("specs/digits.hvae", sets=sets).module().double()
    shares = DiscardedShares(model)
    noise = torch.randn((50, 48, 8, 8), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first = model.plan.pools[0].name
    with shares.recording():
        model.encoder.pools[first](noise)
    assert torch.cat(shares.shares[first]).mean().item() == pytest.approx(expected, rel=0.02)


def test_the_shares_of_the_trained_and_the_initial_model(tmp_path: Path, compiled: Compiled) -> None:
    subject, result = examined(compiled(), tmp_path / "run")
    rows = result.data["poolings"]
    assert isinstance(rows, list)
    ((resolution, factor),) = [(row["resolution"], row["factor"]) for row in rows]
    assert (resolution, factor) == (8, 2)
    initial = shares_of(subject.run.initial_model(), subject.evaluator.prepared(subject.indices(128))[0])
    ((share,),) = initial.shares.values()
    assert result.data["images"] == len(share) == 11
    assert rows[0]["initial_share_mean"] == pytest.approx(share.mean().item(), rel=1e-5)
    assert rows[0]["trained_share_mean"] != rows[0]["initial_share_mean"]
    assert "does not verify Theorem 3" in result.text
    assert svg(result.drawings[0].figure).startswith(b"<?xml")


def test_an_encoder_without_pooling(tmp_path: Path, compiled: Compiled) -> None:
    program = compiled({"model.encoder": "8x1", "model.decoder": "8x2", "train.steps": 1})
    _, result = examined(program, tmp_path / "run")
    assert "no pooling" in result.text
    assert result.data["poolings"] == []
    assert result.drawings == ()
