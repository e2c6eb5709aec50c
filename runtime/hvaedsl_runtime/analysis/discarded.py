"""The share of the encoder's activations that each pooling drops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from hvaedsl.lowering.module import Encoder, HierarchicalVAE
from hvaedsl.lowering.plan import Apply, Downsample
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import panels
from hvaedsl_runtime.theory.projection import average_projection, norms

IMAGES = 128
SQUARES_OF_ZERO = 1e-30

TEXT = """\
r_R = E[||(I - P) a||^2 / ||a||^2], the mean over {images} {split} images of the share of an activation a that a \
pooling drops: a is what enters the pooling at resolution R of the encoder, over all channels, and P a its \
average over every patch that is pooled, repeated over the patch. White noise would lose 1 - 1/k^2 when pooled \
by k, a constant nothing.

The control is the same model with the weights that its training began with: part of what is seen comes with the \
images and the architecture, not with training.

This is no verification of Theorem 3 (Falck, Williams et al. 2022): the blocks are neither known to be \
invertible nor have known Lipschitz constants, and the decoder reads what is dropped through its skip \
connections. `hvaedsl check-theory` checks the theorem where it can be checked."""

WITHOUT = """\
The encoder of this model pools nowhere, so that nothing is dropped between resolutions."""


@dataclass(frozen=True)
class PoolingAt:
    """A pooling of the encoder: behind which application of a block, from and to which resolution, by which factor."""

    application: int
    resolution: int
    factor: int

    @property
    def to(self) -> int:
        """The resolution that it leads to."""
        return self.resolution // self.factor


@dataclass
class DiscardedShares:
    """The shares of single images at each pooling, in the order of the encoder; each [N] when all are seen."""

    poolings: tuple[PoolingAt, ...]
    shares: dict[int, list[Tensor]] = field(default_factory=dict)  # by application
    applications: int = 0

    @contextmanager
    def watching(self, encoder: Encoder) -> Iterator[None]:
        """Within, one pass of the encoder is looked at: what its blocks give, application by application."""
        self.applications = 0
        hooks = [block.register_forward_hook(self._see) for block in encoder.blocks.values()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _see(self, _: nn.Module, __: tuple[Tensor, ...], activation: Tensor) -> None:
        for pooling in self.poolings:
            if pooling.application == self.applications:
                self.shares.setdefault(pooling.application, []).append(discarded_share(activation, pooling.factor))
        self.applications += 1


def poolings(model: HierarchicalVAE) -> tuple[PoolingAt, ...]:
    """The poolings of a model's encoder; each follows a block, as `RdK` says."""
    found: list[PoolingAt] = []
    resolution, applications = model.plan.image_resolution, 0
    for step in model.plan.encoder_steps:
        if isinstance(step, Apply):
            applications += 1
        elif isinstance(step, Downsample):
            found.append(PoolingAt(applications - 1, resolution, step.factor))
            resolution //= step.factor
    return tuple(found)


def discarded_share(activation: Tensor, factor: int) -> Tensor:
    """||(I - P) a||^2 / ||a||^2 of activations [B, C, R, R], [B] in float64; 0 where a is zero."""
    activation = activation.double()
    dropped = norms(activation - average_projection(activation, factor)) ** 2
    return (dropped / norms(activation).square().clamp(min=SQUARES_OF_ZERO)).cpu()


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `discarded`."""
    title = "What the poolings of the encoder drop"
    indices = subject.indices(IMAGES)
    where = poolings(subject.model)
    data: dict[str, object] = {**subject.described(), "images": len(indices)}
    if not where:
        return Result("discarded", title, WITHOUT, {**data, "poolings": []})
    shares = {
        "trained": _shares(subject, subject.model, where, indices, "discarded: trained"),
        "initial": _shares(subject, subject.run.initial_model(), where, indices, "discarded: at initialisation"),
    }
    data["poolings"] = [
        {
            "resolution": pooling.resolution,
            "factor": pooling.factor,
            **{f"{which}_share_mean": share[number].mean().item() for which, share in shares.items()},
            **{f"{which}_share_std": share[number].std(unbiased=False).item() for which, share in shares.items()},
        }
        for number, pooling in enumerate(where)
    ]
    drawing = Drawing("discarded", _figure(where, shares), "The share of an activation that each pooling drops.")
    text = TEXT.format(images=len(indices), split=subject.split)
    return Result("discarded", title, text, data, (drawing,))


ANALYSIS = Analysis("discarded", "The share of the activations that each pooling drops", examine)


def _shares(
    subject: Subject, model: HierarchicalVAE, where: tuple[PoolingAt, ...], indices: list[int], description: str
) -> Tensor:
    """The share of each image at each pooling, [poolings, N]."""
    seen = DiscardedShares(where)
    for batch in subject.watched(indices, description):
        x, _ = subject.evaluator.prepared(batch)
        with seen.watching(model.encoder):
            model.encode(x)
    return torch.stack([torch.cat(seen.shares[pooling.application]) for pooling in where])


def _figure(where: tuple[PoolingAt, ...], shares: dict[str, Tensor]) -> Figure:
    figure, (axes,) = panels()
    labels = {"trained": "trained", "initial": "at initialisation"}
    for offset, style, (which, share) in zip((-0.04, 0.04), ("-", "--"), shares.items(), strict=True):
        axes.errorbar(
            [place + offset for place in range(len(where))],
            share.mean(dim=1).tolist(),
            yerr=share.std(dim=1, unbiased=False).tolist(),
            marker="o",
            markersize=4,
            capsize=3,
            linestyle=style,
            label=labels[which],
        )
    axes.set_xticks(range(len(where)), [f"{pooling.resolution} to {pooling.to}" for pooling in where])
    axes.set_xlabel("pooling")
    axes.set_ylabel(r"$\|(I - P)\,a\|^2\ /\ \|a\|^2$")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
