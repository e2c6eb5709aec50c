from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from hvaedsl_runtime.analysis import kl, state_norms
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.evaluate import latent_use
from hvaedsl_runtime.evaluate.latent_use import ACTIVE_VARIANCE, COLLAPSED_KL_NATS, collapsed_layers

SubjectOf = Callable[..., Subject]


def found(subject: Subject) -> dict[str, Any]:
    return cast(dict[str, Any], kl.ANALYSIS.run(subject).data)


@pytest.mark.parametrize("cell", ["vdvae", "non_residual", "euler_maruyama", "nvae"])
def test_the_kl_of_all_layers_is_the_rate_of_the_evaluation(subject_of: SubjectOf, cell: str) -> None:
    subject = subject_of(images=1000, model__cell=cell)
    data, bound = found(subject), subject.evaluator(subject.model)
    assert data["images"] == bound.images == 11
    assert [layer["kl_nats"] for layer in data["layers"]] == pytest.approx(bound.kl_nats, rel=1e-5)
    assert data["rate_nats"] == pytest.approx(bound.rate_nats_per_dim * bound.dimensions, rel=1e-5)
    assert sum(row["kl_nats"] for row in data["resolutions"]) == pytest.approx(data["rate_nats"], rel=1e-9)
    assert sum(row["share_of_rate"] for row in data["resolutions"]) == pytest.approx(1)


def test_active_units_are_counted_by_the_variance_over_images(subject_of: SubjectOf) -> None:
    subject = subject_of(images=11)
    decoder, step = subject.model.decoder, subject.model.plan.decoder_steps[0]
    with torch.no_grad():
        kept = subject.model.encoder(subject.evaluator.prepared(list(range(11)))[0])
        state, cell = decoder.enter(step, decoder.begin(11)), decoder.block(step)
        q, (p, _) = cell.posterior_parameters(state, kept[step.slot]), cell.prior_parameters(state)
    variance = ((q.mean - p.mean) / p.log_sigma.exp()).double().var(dim=0, correction=0)

    # A threshold that is the variance of a unit would be met or not by rounding: it is the middle of the widest gap.
    ordered = variance.flatten().sort().values
    gap = int(ordered.diff().argmax())
    between = float(ordered[gap : gap + 2].mean())
    for threshold in (0.01, between):
        expected = int((variance > threshold).sum())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(latent_use, "ACTIVE_VARIANCE", threshold)
            assert found(subject)["layers"][0]["active_units"] == expected
    assert 0 < int((variance > between).sum()) < variance.numel()


def test_a_collapsed_layer_is_named_and_has_no_active_unit(subject_of: SubjectOf) -> None:
    subject = subject_of(images=11)
    step = subject.model.plan.decoder_steps[-1]
    cell = subject.model.decoder.block(step)
    with torch.no_grad():
        for part in (cell.posterior, cell.prior):
            for parameter in part.c4.parameters():
                parameter.zero_()
    result = kl.ANALYSIS.run(subject)
    data = cast(dict[str, Any], result.data)
    assert data["collapsed_layers"] == [5] == collapsed_layers([layer["kl_nats"] for layer in data["layers"]])
    assert data["layers"][5]["active_units"] == 0
    assert set(data["collapsed_layers"]) <= set(data["layers_without_active_unit"])
    assert f"1 of 6 layers is collapsed: 5 ({step.block} at 8x8)." in result.text


def test_below_the_threshold_no_unit_can_be_active(subject_of: SubjectOf) -> None:
    """Even if all of the KL is in the mean of one unit, and just below the threshold."""
    values = torch.tensor([-1.0, 1.0]) * (ACTIVE_VARIANCE * (1 - 1e-6)) ** 0.5
    kl_nats = (0.5 * values**2).mean().item()
    assert collapsed_layers([kl_nats]) == [0]
    assert values.var(correction=0) < ACTIVE_VARIANCE
    assert collapsed_layers([COLLAPSED_KL_NATS, float("nan")]) == []


class Foreign(nn.Module):
    """A custom cell that has only what the protocol requires."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, state: Tensor, activation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        following: tuple[Tensor, Tensor, Tensor] = self.inner(state, activation, noise)
        return following


def test_a_cell_without_gaussians_has_its_kl_alone(subject_of: SubjectOf) -> None:
    plain, subject = found(subject_of(images=11)), subject_of(images=11)
    step = subject.model.plan.decoder_steps[4]
    subject.model.decoder.blocks[step.block] = Foreign(subject.model.decoder.blocks[step.block])
    data = found(subject)
    assert [layer["kl_nats"] for layer in data["layers"]] == [layer["kl_nats"] for layer in plain["layers"]]
    assert data["layers"][4]["active_units"] is None
    assert data["layers"][3]["active_units"] == plain["layers"][3]["active_units"]
    assert [row["units_not_told"] for row in data["resolutions"]] == [0, 0, 8 * 64]
    assert 4 not in data["layers_without_active_unit"]
    state_norms.ANALYSIS.run(subject)


def test_one_image_has_no_active_units(subject_of: SubjectOf) -> None:
    assert sum(layer["active_units"] for layer in found(subject_of(images=1))["layers"]) == 0


def test_the_batch_size_does_not_matter(subject_of: SubjectOf) -> None:
    one, other = subject_of(images=11), subject_of(images=11)
    object.__setattr__(other, "batch_size", 3)
    ours, theirs = found(one)["layers"], found(other)["layers"]
    assert [a["active_units"] for a in ours] == [b["active_units"] for b in theirs]
    assert [a["kl_nats"] for a in ours] == pytest.approx([b["kl_nats"] for b in theirs], rel=1e-5)
