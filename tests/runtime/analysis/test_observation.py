"""The recorded inputs and outputs of blocks, compared with their definition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from hvaedsl_runtime.analysis import kl
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.evaluate.observation import DecoderVisit, EncoderVisit, observe

SubjectOf = Callable[..., Subject]
CELLS = ("vdvae", "non_residual", "euler_maruyama", "nvae")


def visits_of(subject: Subject) -> tuple[list[EncoderVisit], list[DecoderVisit], Tensor]:
    up: list[EncoderVisit] = []
    down: list[DecoderVisit] = []
    indices = [0, 1, 2]
    with observe(subject.model, encoder=up.append, decoder=down.append), torch.no_grad():
        out = subject.model(*subject.evaluator.prepared(indices), subject.evaluator.noise(indices))
    return up, down, out.kl_nats


@pytest.mark.parametrize("cell", CELLS)
def test_every_block_is_visited_once_and_in_order(subject_of: SubjectOf, cell: str) -> None:
    subject = subject_of(model__cell=cell)
    up, down, kl_nats = visits_of(subject)
    assert [visit.index for visit in up] == list(range(6))
    assert [visit.before.shape[2] for visit in up] == [8, 8, 4, 4, 4, 1]
    assert [visit.step.layer for visit in down] == list(range(6))
    assert all(visit.after.shape[2] == visit.step.resolution for visit in down)
    assert torch.equal(torch.stack([visit.kl_nats for visit in down if visit.kl_nats is not None]), kl_nats)
    assert kl_nats.min() > 0


@pytest.mark.parametrize("cell", CELLS)
def test_the_increments_add_up_to_the_step(subject_of: SubjectOf, cell: str) -> None:
    _, down, _ = visits_of(subject_of(model__cell=cell))
    for visit in down:
        parts = visit.parts
        if cell == "vdvae":
            assert set(parts) == {"h", "Wz", "resnet"}
            rebuilt = visit.before + parts["h"] + parts["Wz"] + parts["resnet"]
        elif cell == "non_residual":
            rebuilt = parts["Wz"] + parts["resnet"]
        elif cell == "nvae":
            assert set(parts) == {"combiner", "resnet"}
            rebuilt = visit.before + parts["combiner"] + parts["resnet"]
        else:
            assert not parts
            continue
        assert all(part.abs().max() > 1e-3 for part in parts.values())
        assert torch.linalg.vector_norm(rebuilt - visit.after) <= 1e-5 * torch.linalg.vector_norm(visit.after)


def test_hooks_are_removed_even_after_an_error(subject_of: SubjectOf) -> None:
    subject = subject_of()
    with (
        pytest.raises(RuntimeError, match="in between"),
        observe(subject.model, encoder=lambda _: None, decoder=lambda _: None),
    ):
        raise RuntimeError("in between")
    assert all(not module._forward_hooks for module in subject.model.modules())


def test_consecutive_states_at_a_resolution_are_one_state(subject_of: SubjectOf) -> None:
    _, down, _ = visits_of(subject_of())
    for one, following in pairwise(down):
        if one.step.resolution == following.step.resolution:
            assert torch.equal(one.after, following.before)


SWITCHES: list[dict[str, object]] = [
    {"model__normalize_state__norm": "rms"},
    {"model__skips": "none"},
    {"model__pooling": "wavelet(haar)"},
    {"model__fourier__at": "block, sample, branches", "model__fourier__exponents": "0"},
    {"model__fourier__at": "image"},
]


@pytest.mark.parametrize("sets", SWITCHES, ids=lambda sets: next(iter(sets)))
def test_the_switches_of_the_language_change_nothing_in_that(subject_of: SubjectOf, sets: dict[str, object]) -> None:
    subject = subject_of(**sets)
    up, down, _ = visits_of(subject)
    assert (len(up), len(down)) == (6, 6)
    for visit in down:
        rebuilt = visit.before + visit.parts["h"] + visit.parts["Wz"] + visit.parts["resnet"]
        assert torch.linalg.vector_norm(rebuilt - visit.after) <= 1e-5 * torch.linalg.vector_norm(visit.after)
    data = cast(dict[str, Any], kl.ANALYSIS.run(subject).data)
    with torch.no_grad():
        assert data["rate_nats"] == pytest.approx(sum(subject.evaluator(subject.model).kl_nats), rel=1e-5)
