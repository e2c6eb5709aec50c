"""Theorem 5: the first prior does not depend on the image; later ones do, through z."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import hvaedsl
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.theory.check_inputs import CheckInputs, random_model
from hvaedsl_runtime.theory.checks import first_prior_checks
from hvaedsl_runtime.theory.first_prior import prior_spreads


def of_model(digits: CheckInputs, name: str, model: HierarchicalVAE) -> CheckInputs:
    """The inputs of another model, with noise for its latents."""
    return replace(digits, models={name: model}, evaluator=replace(digits.evaluator, layers=model.plan.latent_shapes))


def test_it_holds_and_the_later_layers_differ(digits: CheckInputs) -> None:
    first, later = first_prior_checks(digits)
    assert first.holds
    assert first.figures["images"] == 128
    assert first.figures["random weights: KL(q(z1|x) || p(z1)) in nats, mean over images"] > 0
    assert later.control
    assert later.holds


def test_the_kl_is_the_models(digits: CheckInputs) -> None:
    model = digits.models["random"]
    spreads, kls_nats = prior_spreads(model, digits.batches(""))
    assert len(spreads) == model.stochastic_depth == len(kls_nats)
    assert kls_nats.shape[1] == len(digits.indices)
    x, target, noise = next(iter(digits.batches("")))
    torch.testing.assert_close(kls_nats[:, : len(x)], model(x, target, noise).kl_nats.detach())


def test_an_initial_state_that_depends_on_the_image_is_found(digits: CheckInputs) -> None:
    model = random_model(hvaedsl.load("specs/digits.hvae"), seed=1)
    begin = model.decoder.begin

    def begin_elsewhere(batch: int) -> dict[int, torch.Tensor]:
        return {at: state + torch.arange(batch).view(-1, 1, 1, 1) * 1e-6 for at, state in begin(batch).items()}

    model.decoder.begin = begin_elsewhere  # type: ignore[method-assign]
    first, _ = first_prior_checks(of_model(digits, "broken", model))
    assert first.error > 1e-12
    assert not first.holds


def test_a_fresh_model_fails_the_control(digits: CheckInputs) -> None:
    """Its priors end in zeros, so they are the same for all images at every layer."""
    model = hvaedsl.load("specs/digits.hvae").module().double()
    first, later = first_prior_checks(of_model(digits, "fresh", model))
    assert first.holds
    assert not later.holds


def test_hooks_are_removed(digits: CheckInputs) -> None:
    model = digits.models["random"]
    prior_spreads(model, digits.batches(""))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("cell", ["non_residual", "euler_maruyama", "nvae"])
def test_it_holds_for_every_cell(digits: CheckInputs, cell: str) -> None:
    sets: dict[str, object] = {"model.cell": cell, "model.latent": 48}
    model = random_model(hvaedsl.load("tests/specs/digits_small.hvae", sets=sets), seed=0)
    checks = list(first_prior_checks(of_model(digits, "random", model)))
    assert all(check.holds for check in checks)


def test_a_single_layer_has_no_control(digits: CheckInputs) -> None:
    program = hvaedsl.load("specs/digits.hvae", sets={"model.encoder": "8x1", "model.decoder": "8x1"})
    (first,) = first_prior_checks(of_model(digits, "random", random_model(program, seed=0)))
    assert first.holds
