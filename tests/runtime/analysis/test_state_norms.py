from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from hvaedsl_runtime.analysis import state_norms
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.evaluate.finished_run import FinishedRun

SubjectOf = Callable[..., Subject]


def test_norms_are_those_of_the_decoder_walked_step_by_step(subject_of: SubjectOf) -> None:
    subject = subject_of(images=11)
    model, indices = subject.model, list(range(11))
    data = cast(dict[str, Any], state_norms.ANALYSIS.run(subject).data)
    with torch.no_grad():
        kept = model.encoder(subject.evaluator.prepared(indices)[0].float())
        states = model.decoder.begin(11)
        for step, block in zip(model.plan.decoder_steps, data["trained"]["top_down"], strict=True):
            before = model.decoder.enter(step, states)
            states, _ = model.decoder.descend(states, kept, subject.evaluator.noise(indices), [step])
            after = states[step.resolution]
            assert block["resolution"] == step.resolution
            assert block["values"] == after[0].numel()
            for name, x in (("before", before), ("after", after), ("block", after - before)):
                norms = x.double().flatten(1).norm(dim=1)
                means = torch.stack([norms[start::10].mean() for start in range(10)])
                assert block["norms"][name]["mean"] == pytest.approx(means.mean().item(), rel=1e-5)
                assert block["norms"][name]["std"] == pytest.approx(means.std().item(), rel=1e-3)


def test_the_control_is_the_model_before_training(subject_of: SubjectOf) -> None:
    data = cast(dict[str, Any], state_norms.ANALYSIS.run(subject_of(images=4)).data)
    initial, trained = (data[weights]["top_down"] for weights in ("initial", "trained"))
    assert [block["norms"]["h"]["mean"] for block in initial] == [0.0] * 6  # the prior starts as N(0, 1), h as 0
    assert min(block["norms"]["h"]["mean"] for block in trained) > 0
    assert data["batches"] == 4


def test_the_initial_model_is_the_one_that_training_began_with(trained: Callable[..., Path]) -> None:
    # The learning rate of step 0 is 0, and it scales weight decay: one step leaves the weights unchanged.
    run = FinishedRun.open(trained(train__steps=1), "cpu")
    state = torch.random.get_rng_state()
    initial = run.initial_model().state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, initial[name]) for name, tensor in run.model("raw").state_dict().items())


def test_jumps_are_where_the_resolution_changes(subject_of: SubjectOf) -> None:
    subject = subject_of(images=2)
    up, down = state_norms.measure(subject, subject.model, [0, 1], "")
    assert [position for position, _ in state_norms.resolution_jumps(up)] == [2, 5]
    assert [label for _, label in state_norms.resolution_jumps(down)] == ["1 → 4", "4 → 8"]
