"""The image grids of temperatures, partial posteriors and reconstructions."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from hvaedsl_runtime.analysis import partial_posteriors, reconstructions, temperatures
from hvaedsl_runtime.analysis.base import Drawing, Subject
from hvaedsl_runtime.analysis.figures import png
from hvaedsl_runtime.analysis.partial_posteriors import Mask, decode_kept, evenly_spaced, families
from hvaedsl_runtime.evaluate.pictures import reconstruct, targets_for_display

SubjectOf = Callable[..., Subject]


def pixels(drawing: Drawing) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(png(drawing.figure))) as image:
        return np.asarray(image)


def test_a_temperature_has_the_same_noise_for_the_same_seed(subject_of: SubjectOf) -> None:
    grids = [
        [pixels(drawing) for drawing in temperatures.ANALYSIS.run(subject_of(images=count, seed=seed)).drawings]
        for count, seed in ((3, 0), (3, 0), (3, 1))
    ]
    for one, again, other in zip(*grids, strict=True):
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)


def test_no_image_of_an_analysis_depends_on_the_number_of_images_or_the_batch_size(subject_of: SubjectOf) -> None:
    few, many = subject_of(images=1), subject_of(images=11, batch_size=3)
    rows = [cast(dict[str, Any], reconstructions.ANALYSIS.run(subject).data)["images"] for subject in (few, many)]
    assert rows[0][0] == rows[1][0]

    groups = families(few.model.plan)
    one, all_of_them = (
        partial_posteriors.decoded(subject, groups, indices, shown=True)
        for subject, indices in ((few, [7]), (many, list(range(11))))
    )
    for alone, together in zip(one, all_of_them, strict=True):
        assert torch.equal(alone[0], together[7])


def test_the_samples_are_those_of_the_prior_and_grow_apart_with_the_temperature(subject_of: SubjectOf) -> None:
    subject = subject_of(images=6)
    result = temperatures.ANALYSIS.run(subject)
    rows = cast(dict[str, Any], result.data)["temperatures"]
    spreads = [row["pixel_std_over_samples"] for row in rows]
    assert spreads[0] < spreads[-1] / 2
    assert [row["temperature"] for row in rows][-1] == 1.0
    with torch.no_grad():
        state = subject.model.decode_prior(6, temperature=1.0, noise=subject.prior_noise(range(6)))
        images = targets_for_display(subject.model.likelihood.mean(state), subject.spec)
    assert spreads[-1] == pytest.approx(images.double().std(dim=0, correction=0).mean().item(), rel=1e-6)


def test_masks_nest_from_nothing_to_everything(subject_of: SubjectOf) -> None:
    groups = families(subject_of().model.plan)
    assert [family.name for family in groups] == ["first-of-each", "resolutions", "blocks"]
    for family in groups:
        assert family.masks[0].kept == frozenset()
        assert family.masks[-1].kept == frozenset(range(6))
        assert all(one.kept < following.kept for one, following in pairwise(family.masks))
    first, resolutions, blocks = ([sorted(mask.kept) for mask in family.masks] for family in groups)
    # The decoder is 1x1, 4m1, 4r2, 8m4, 8x1: one latent at 1, three at 4, two at 8.
    assert first == [[], [0, 1, 4], [0, 1, 2, 4, 5], [0, 1, 2, 3, 4, 5]]
    assert resolutions == [[], [0], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]
    assert blocks == [list(range(k)) for k in range(7)]


def test_many_masks_are_thinned_and_keep_their_ends() -> None:
    masks = [Mask(str(k), frozenset(range(k))) for k in range(106)]
    thinned = evenly_spaced(masks, 8)
    assert len(thinned) == 8
    assert (thinned[0], thinned[-1]) == (masks[0], masks[-1])
    assert all(one.kept < following.kept for one, following in pairwise(thinned))
    assert evenly_spaced(masks[:5], 8) == masks[:5]


@pytest.mark.parametrize("cell", ["vdvae", "non_residual", "euler_maruyama", "nvae"])
@torch.no_grad()
def test_all_kept_is_the_reconstruction_and_none_kept_the_prior(subject_of: SubjectOf, cell: str) -> None:
    subject = subject_of(model__cell=cell)
    model, indices = subject.model, [0, 3, 7]
    x, target = subject.evaluator.prepared(indices)
    latents, noise = model.latents(x, noise=subject.evaluator.noise(indices)), subject.prior_noise(range(3))
    everything = decode_kept(model, latents, frozenset(range(6)), noise, 0.1)
    out = model(x, target, subject.evaluator.noise(indices))
    distortion = model.likelihood.nll_nats_per_dim(everything, target)
    assert torch.allclose(distortion, out.distortion_nats_per_dim, rtol=1e-5)
    _, mean = reconstruct(model, subject.evaluator, indices, 4)
    assert torch.allclose(model.likelihood.mean(everything), mean, atol=1e-6)
    nothing = decode_kept(model, latents, frozenset(), noise, 0.1)
    assert torch.equal(nothing, model.decode_prior(3, temperature=0.1, noise=noise))
    assert not torch.allclose(nothing, everything, atol=1e-3)
    first = decode_kept(model, latents, frozenset(range(2)), noise, 0.1)
    assert torch.equal(first, model.decode(latents[:2], temperature=0.1, noise=noise))


@torch.no_grad()
def test_an_omitted_latent_in_the_middle_comes_from_the_prior(subject_of: SubjectOf) -> None:
    subject = subject_of()
    model = subject.model
    latents = model.latents(subject.evaluator.prepared([0, 1])[0], noise=subject.evaluator.noise([0, 1]))
    noise = subject.prior_noise(range(2))
    states = model.decoder.begin(2)
    for step in model.plan.decoder_steps:
        state, cell = model.decoder.enter(step, states), model.decoder.block(step)
        if step.layer == 2:
            eps = noise(2, tuple(latents[2].shape))
            states[step.resolution], _ = cell.generate(state, eps, 0.5)
        else:
            states[step.resolution] = cell.generate_from(state, latents[step.layer])
    given = [*latents[:2], None, *latents[3:]]
    torch.testing.assert_close(model.decode(given, temperature=0.5, noise=noise), model.decoder.finish(states))
    with pytest.raises(ValueError, match="decode takes 1 to 6 latents, not 0 in 2"):
        model.decode([None, None])


def test_partial_posteriors_have_the_distortion_of_every_mask(subject_of: SubjectOf) -> None:
    subject = subject_of(images=11)
    result = partial_posteriors.ANALYSIS.run(subject)
    masks = cast(dict[str, Any], result.data)["masks"]
    with torch.no_grad():
        bound = subject.evaluator(subject.model)
    ends = [(rows[0]["distortion_nats_per_dim"], rows[-1]["distortion_nats_per_dim"]) for rows in masks.values()]
    assert ends[0] == ends[1] == ends[2]
    assert ends[0][1] == pytest.approx(bound.distortion_nats_per_dim, rel=1e-5)
    assert [drawing.stem for drawing in result.drawings if drawing.images] == [
        "partial-posteriors-first-of-each",
        "partial-posteriors-resolutions",
        "partial-posteriors-blocks",
    ]


def test_reconstructions_have_the_bound_of_evaluation(subject_of: SubjectOf) -> None:
    subject = subject_of(images=11)
    data = cast(dict[str, Any], reconstructions.ANALYSIS.run(subject).data)
    bound = subject.evaluator(subject.model)
    assert [row["index"] for row in data["images"]] == list(range(11))
    for key in ("distortion_nats_per_dim", "rate_nats_per_dim"):
        mean = sum(row[key] for row in data["images"]) / 11
        assert mean == pytest.approx(getattr(bound, key), rel=1e-5)


def test_images_are_spread_evenly_without_duplicates(subject_of: SubjectOf) -> None:
    subject = subject_of()
    assert subject.indices(4) == [0, 2, 5, 8]
    assert subject.indices(500) == list(range(11))
