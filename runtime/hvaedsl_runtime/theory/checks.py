"""The checks of Theorems 2, 3, 5 and B.4: each has an identity, a measured error and a tolerance.

A negative control is the same measurement where the identity must fail. It shows that the check can fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.resolution import average_pool
from hvaedsl_runtime.theory import projection, transport
from hvaedsl_runtime.theory import sampled_rate as sampled
from hvaedsl_runtime.theory.check_inputs import CheckInputs
from hvaedsl_runtime.theory.first_prior import prior_spreads
from hvaedsl_runtime.train.objective import sampled_rate

ROUNDING = 1e-12
TRANSPORT_ROUNDING = 1e-10
MUST_DIFFER_BY = 1e-3
LATER_PRIORS_DIFFER_BY = 1e-9  # small: in a short run the averaged weights of the priors are still close to zero
SAMPLING = 0.05  # relative error of a variance over the number of draws below

STACKS, SAMPLES, FIELD_RESOLUTION = 50, 128, 8
DRAWS_WITH_REPLACEMENT = 100_000
TRAINING_STEPS = 20_000
LAYERS_DRAWN = (1, 2)


@dataclass(frozen=True)
class Check:
    """An identity with its error and its tolerance; the error of a control must exceed it.

    `figures` are further numbers for the report.
    """

    name: str
    identity: str
    error: float
    tolerance: float
    control: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the check passed: the identity holds, or fails if it is a control. NaN never passes."""
        return self.error > self.tolerance if self.control else self.error <= self.tolerance


def all_checks(inputs: CheckInputs, seed: int) -> Iterator[Check]:
    """Yield all checks, in the order of the paper."""
    yield from projection_checks(inputs.images(), seed)
    yield from transport_checks(seed)
    yield from first_prior_checks(inputs)
    yield from sampled_rate_checks(inputs.small_model, inputs.small_batch, seed)


def projection_checks(
    images: Tensor,
    seed: int,
    *,
    pool: projection.Pooling = average_pool,
    project: projection.Projection = projection.average_projection,
) -> Iterator[Check]:
    """Theorem 2 on images [N, C, R, R] in [0, 1], float64, for every J that R allows, and for pooling by 3.

    Errors are in units of max(1, ||x||), the largest over images and J.
    """
    name = "Theorem 2"

    # Pooling by 2^J: the Haar identities and the properties of a projection.
    y = projection.unit_fields(images, seed)
    levels = range(1, projection.haar_levels(images.shape[2]) + 1)
    if levels:
        span = "J = 1" if len(levels) == 1 else f"J = 1..{len(levels)}"
        errors = {
            f"cA_J = 2^J avgpool(x), Haar, {span}": [projection.coefficient_errors(images, j, pool) for j in levels],
            "inverse Haar, details 0 = P x": [projection.reconstruction_errors(images, j, project) for j in levels],
            "||x||^2 = ||P x||^2 + sum ||details||^2": [projection.energy_errors(images, j, project) for j in levels],
            "P P x = P x": [projection.idempotence_errors(images, 2**j, project) for j in levels],
            "<P x, y> = <x, P y>": [projection.self_adjointness_errors(images, y, 2**j, project) for j in levels],
        }
        for identity, by_level in errors.items():
            yield Check(name, identity, max(projection.worst(error, images) for error in by_level), ROUNDING)

    # Pooling by 3 has no Haar transform; the largest part of the images that 3 divides is used.
    size = images.shape[2] // 3 * 3
    if size:
        thirds = images[:, :, :size, :size]
        y = projection.unit_fields(thirds, seed)
        by_three = {
            "P P x = P x": projection.idempotence_errors(thirds, 3, project),
            "<P x, y> = <x, P y>": projection.self_adjointness_errors(thirds, y, 3, project),
        }
        for identity, error in by_three.items():
            yield Check(name, f"d3 on {size}x{size}: {identity}", projection.worst(error, thirds), ROUNDING)

    yield from _projection_controls(images, len(levels))


def _projection_controls(images: Tensor, levels: int) -> Iterator[Check]:
    """Other poolings must differ from P; the smallest difference over J is reported.

    At a single value, every orthonormal wavelet of a periodic signal keeps the mean, as Haar does. Therefore db2 is
    compared only down to 2x2 values.
    """
    all_levels = range(1, levels + 1)
    strided = [
        projection.relative_difference(
            projection.strided_projection(images, 2**j), projection.average_projection(images, 2**j), images
        )
        for j in all_levels
    ]
    db2 = [
        projection.relative_difference(
            projection.wavelet_projection(images, j, "db2"), projection.average_projection(images, 2**j), images
        )
        for j in all_levels
        if images.shape[2] > 2**j
    ]

    for identity, differences in (("strided pooling = P x", strided), ("db2 with details 0 = P x", db2)):
        if differences:
            yield Check("Theorem 2", identity, min(differences), MUST_DIFFER_BY, control=True)


def transport_checks(seed: int, stacks: int = STACKS) -> Iterator[Check]:
    """Theorem 3 for random affine stacks, in the form derived in transport.py; errors are of squared distances."""
    name = "Theorem 3"
    shape = (stacks, SAMPLES, FIELD_RESOLUTION, seed)
    general = [transport.bounds(*stack) for stack in transport.random_stacks(*shape, orthogonal=False)]
    orthogonal = [transport.bounds(*stack) for stack in transport.random_stacks(*shape, orthogonal=True)]

    yield Check(
        name,
        "sum E||d_j||^2/prod L_i^2 <= W2^2(X, Y) <= E||X - Y||^2",
        max(found.violation for found in general),
        TRANSPORT_ROUNDING,
        figures={
            "stacks": stacks,
            "samples": SAMPLES,
            "smallest lower bound / W2^2": min(found.lower / found.w2_squared for found in general),
            "largest lower bound / W2^2": max(found.lower / found.w2_squared for found in general),
            "smallest W2^2 / E||X - Y||^2": min(found.w2_squared / found.upper for found in general),
        },
    )

    # With orthogonal maps, both inequalities are equalities.
    yield Check(
        name,
        "orthogonal F_j: W2^2(X, Y) = E||X - Y||^2",
        max(abs(found.w2_squared - found.upper) for found in orthogonal),
        TRANSPORT_ROUNDING,
    )
    yield Check(
        name,
        "orthogonal F_j: sum E||d_j||^2 = W2^2(X, Y)",
        max(abs(found.lower - found.w2_squared) for found in orthogonal),
        TRANSPORT_ROUNDING,
    )

    # The Lipschitz constants are necessary.
    yield Check(
        name,
        "sum E||d_j||^2 <= W2^2(X, Y), without L_i",
        max(found.lower_without_constants - found.w2_squared for found in general),
        MUST_DIFFER_BY,
        control=True,
    )


def first_prior_checks(inputs: CheckInputs) -> Iterator[Check]:
    """Theorem 5 for each kind of weights; the later layers are the control."""
    for weights, model in inputs.models.items():
        spreads, kls_nats = prior_spreads(model, inputs.batches(f"Theorem 5, {weights} weights"))
        name = "Theorem 5"
        yield Check(
            name,
            f"p(z1) is the same for every image, {weights} weights",
            spreads[0],
            ROUNDING,
            figures={
                f"{weights} weights: KL(q(z1|x) || p(z1)) in nats, mean over images": float(kls_nats[0].mean()),
                "images": kls_nats.shape[1],
            },
        )
        if len(spreads) > 1:
            later = f"p(z_l | z_<l), l > 1, same for every image, {weights} weights"
            yield Check(name, later, max(spreads[1:]), LATER_PRIORS_DIFFER_BY, control=True)


def sampled_rate_checks(
    model: HierarchicalVAE,
    batch: tuple[Tensor, Tensor],
    seed: int,
    *,
    estimate: sampled.Estimate = sampled_rate,
    draws: int = DRAWS_WITH_REPLACEMENT,
    steps: int = TRAINING_STEPS,
) -> Iterator[Check]:
    """B.4 on the KL of a model with at most 8 layers, for a batch (x, target), both [B, H, W, C], with fixed noise."""
    name = "B.4"
    parameters = list(model.parameters())

    # One forward pass: only the choice of layers is random from here on.
    generator = torch.Generator().manual_seed(seed)
    output = model(*batch, lambda _, shape: torch.randn(shape, dtype=torch.float64, generator=generator))
    kl_nats = output.kl_nats

    # The mean of the estimate and of its gradient, over all choices of layers.
    for count in LAYERS_DRAWN:
        value, gradient = sampled.mean_errors(kl_nats, parameters, count, estimate)
        which = "M = 1" if count == 1 else f"M = {count}, without replacement"
        yield Check(name, f"mean of S over all choices = rate, {which}", value, ROUNDING)
        yield Check(name, f"mean of grad S = grad rate, {which}", gradient, ROUNDING)

    # The variance with replacement, over random draws.
    of_layers = kl_nats.detach().mean(dim=1)
    for count in LAYERS_DRAWN:
        expected = sampled.variance_with_replacement(of_layers, count)
        found = float(sampled.drawn_with_replacement(of_layers, count, draws, seed).var())
        identity = f"Var S = L^2/M Var_l(KL_l), M = {count}, with replacement"
        yield Check(
            name,
            identity,
            sampled.relative_deviation(found, expected),
            SAMPLING,
            figures={"draws with replacement": draws},
        )

    # The variance without replacement, over all choices and over the layers that training draws.
    count = LAYERS_DRAWN[-1]
    without = sampled.variance_without_replacement(of_layers, count)
    exact = float(sampled.over_all_choices(of_layers, count).var(unbiased=False))
    identity = f"Var S = L^2/M (L-M)/(L-1) Var_l(KL_l), M = {count}, without replacement"
    yield Check(name, identity, sampled.relative_deviation(exact, without), ROUNDING)
    in_training = float(sampled.drawn_in_training(of_layers, count, steps, seed).var())
    identity = f"Var S in training = Var S without replacement, M = {count}"
    deviation = sampled.relative_deviation(in_training, without)
    yield Check(name, identity, deviation, SAMPLING, figures={"layers L": len(of_layers), "training steps": steps})

    # Control: the formula for draws with replacement does not describe draws without.
    deviation = sampled.relative_deviation(exact, sampled.variance_with_replacement(of_layers, count))
    yield Check(
        name, f"Var S = L^2/M Var_l(KL_l) without replacement, M = {count}", deviation, MUST_DIFFER_BY, control=True
    )
