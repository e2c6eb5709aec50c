"""Active units and collapsed layers: the thresholds that all analyses use.

A unit is one channel of z at one spatial position. It is active if the variance over images of (mu_q - mu_p) / sigma_p
exceeds 0.01. Burda et al. (2016) use the variance of the posterior mean under a prior that is N(0, 1) for every image.
Here, the prior depends on the latents above it, so its mean is subtracted first. (For N(0, 1) the two are the same.)

A layer is collapsed if its KL, averaged over images, is below 0.005 nats per image. The KL of a unit is at least half
of ((mu_q - mu_p) / sigma_p)^2, so its mean is at least half of that variance: a collapsed layer has no active unit, no
matter how many units it has. The definition needs only the KL, which every evaluation logs.
"""

from __future__ import annotations

from collections.abc import Sequence

ACTIVE_VARIANCE = 0.01
COLLAPSED_KL_NATS = ACTIVE_VARIANCE / 2


def is_collapsed(kl_nats: float) -> bool:
    """Whether a layer with this mean KL, in nats per image, is collapsed; False if the KL is NaN."""
    return kl_nats < COLLAPSED_KL_NATS


def collapsed_layers(kl_nats: Sequence[float]) -> list[int]:
    """The numbers of the collapsed layers, from the mean KL of every layer in nats per image."""
    return [layer for layer, kl in enumerate(kl_nats) if is_collapsed(kl)]
