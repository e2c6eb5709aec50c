"""When a unit counts as active, and a layer as collapsed: one pair of thresholds for every analysis.

A unit is one channel of z at one place. It is active where the variance over images of (mu_q - mu_p) / sigma_p exceeds
0.01: Burda et al. (2016) take the variance of the posterior's mean, under a prior N(0, 1) that is the same for all
images; here the prior depends on the latents above, so what it says itself is taken away first. (For N(0, 1) both are
the same.)

A layer is collapsed where the mean over images of its KL is below 0.005 nats an image. A unit's KL is at least half of
((mu_q - mu_p) / sigma_p)^2, so its mean is at least half of that variance: a collapsed layer has no active unit,
however many units it has. That needs nothing but the KL, which every evaluation logs.
"""

from __future__ import annotations

from collections.abc import Sequence

ACTIVE_VARIANCE = 0.01
COLLAPSED_KL_NATS = ACTIVE_VARIANCE / 2


def is_collapsed(kl_nats: float) -> bool:
    """Whether a layer with this mean KL, in nats an image, is collapsed; one whose KL is not a number is not."""
    return kl_nats < COLLAPSED_KL_NATS


def collapsed_layers(kl_nats: Sequence[float]) -> list[int]:
    """The collapsed layers, by number, of the mean KL of every layer in nats an image."""
    return [layer for layer, kl in enumerate(kl_nats) if is_collapsed(kl)]
