"""B.4: the rate estimated from M of L layers, S = (L / M) * the sum of their KL, with fixed noise.

Falck, Williams et al. 2022, Appendix B.4. The mean of S is the rate and the mean of its gradient is the gradient of the
rate, with and without replacement. Its variance is (L^2 / M) Var_l(KL_l) with replacement, and that times
(L - M) / (L - 1) without [derived here]; training draws without replacement (`train.kl.sampled_layers`). Var_l divides
by L.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor

from hvaedsl.ir.training import KLSpec
from hvaedsl_runtime.train.objective import Objective, sampled_rate

Estimate = Callable[[Tensor, Tensor], Tensor]  # kl_nats [L, B] and layers [M] -> [B]


def choices(depth: int, count: int) -> list[Tensor]:
    """All choices of `count` out of `depth` layers without replacement, each [count]."""
    return [torch.tensor(layers) for layers in combinations(range(depth), count)]


def mean_errors(
    kl_nats: Tensor, parameters: Sequence[Tensor], count: int, estimate: Estimate = sampled_rate
) -> tuple[float, float]:
    """The distance of the mean estimate from the rate, and of its gradient from the gradient of the rate.

    The mean is over all choices of `count` layers. kl_nats is [L, B], with a graph to the parameters. Distances are in
    units of max(1, norm of the rate or its gradient).
    """
    of_layers = choices(len(kl_nats), count)
    full = kl_nats.sum(dim=0)
    full_gradient = _gradient(full.sum(), parameters)

    mean, gradient = torch.zeros_like(full), torch.zeros_like(full_gradient)
    for layers in of_layers:
        value = estimate(kl_nats, layers)
        mean = mean + value.detach() / len(of_layers)
        gradient += _gradient(value.sum(), parameters) / len(of_layers)

    return _distance(mean, full.detach()), _distance(gradient, full_gradient)


def variance_with_replacement(kl_nats: Tensor, count: int) -> float:
    """(L^2 / M) Var_l(KL_l) of kl_nats [L]."""
    return len(kl_nats) ** 2 / count * float(kl_nats.var(unbiased=False))


def variance_without_replacement(kl_nats: Tensor, count: int) -> float:
    """(L^2 / M) (L - M) / (L - 1) Var_l(KL_l) of kl_nats [L] [derived here]; 0 for L = 1."""
    depth = len(kl_nats)
    return variance_with_replacement(kl_nats, count) * (depth - count) / max(1, depth - 1)


def drawn_with_replacement(kl_nats: Tensor, count: int, draws: int, seed: int) -> Tensor:
    """`draws` estimates of the rate, [draws], from kl_nats [L]; layers are drawn independently."""
    generator = torch.Generator().manual_seed(seed)
    layers = torch.randint(len(kl_nats), (count, draws), generator=generator)
    return sampled_rate(kl_nats, layers)


def drawn_in_training(kl_nats: Tensor, count: int, steps: int, seed: int) -> Tensor:
    """The estimates of `steps` training steps, [steps], from kl_nats [L], with the layers that training draws."""
    objective = Objective(KLSpec(sampled_layers=count), seed)
    layers = torch.stack([objective.layers(step, len(kl_nats)) for step in range(steps)], dim=1)
    return sampled_rate(kl_nats, layers)


def over_all_choices(kl_nats: Tensor, count: int) -> Tensor:
    """The estimates for all choices without replacement, [choices], from kl_nats [L]."""
    return sampled_rate(kl_nats, torch.stack(choices(len(kl_nats), count), dim=1))


def relative_deviation(value: float, expected: float) -> float:
    """|value / expected - 1|."""
    return abs(value / expected - 1)


def _gradient(value: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The gradient as one vector; 0 for parameters that the value does not depend on."""
    gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp(min=1))
