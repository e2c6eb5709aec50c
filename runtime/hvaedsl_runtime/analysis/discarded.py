"""The share of the encoder's activations that each pooling drops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from hvaedsl.ir.pooling import Embedding, Pooling, embedding_of, wavelet_of
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.lowering.plan import Resampling
from hvaedsl.nn.resolution import NearestEmbedding, WaveletEmbedding
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import panels
from hvaedsl_runtime.theory.projection import norms

IMAGES = 128
SQUARES_OF_ZERO = 1e-30

TEXT = """\
r_R = E[||(I - P) a||^2 / ||a||^2], the mean over {images} {split} images of the share of an activation a that a \
pooling drops: a is what enters the pooling at resolution R of the encoder, over all channels. {projection}

The control is the same model with the weights that its training began with: part of what is seen comes with the \
images and the architecture, not with training.

This is no verification of Theorem 3 (Falck, Williams et al. 2022): the blocks are neither known to be \
invertible nor have known Lipschitz constants, and the decoder reads what is dropped through its skip \
connections. `hvaedsl check-theory` checks the theorem where it can be checked."""

WHAT_IS_KEPT: Mapping[Pooling | Embedding, str] = {
    "average": "P a is the average over every patch that is pooled, repeated over the patch. White noise would lose "
    "1 - 1/k^2 when pooled by k, a constant nothing.",
    "strided": "P a is the first value of every patch, repeated over the patch, as the decoder repeats it. "
    "This P is not orthogonal: the share may lie above 1, and white noise would lose 2 (1 - 1/k^2) when strided by k.",
    "wavelet(haar)": "P a is the inverse Haar transform of the approximation that the pooling gives, with all details "
    "zero, and so the average over every patch. White noise would lose 1 - 1/k^2 when pooled by k, a constant nothing.",
    "wavelet(db2)": "P a is the inverse db2 transform of the approximation that the pooling gives, with all details "
    "zero: an orthogonal projection, and not that of averaging, of which Theorem 2 speaks. White noise would lose "
    "1 - 1/k^2 when pooled by k, a constant nothing.",
}

WITHOUT = """\
The encoder of this model pools nowhere, so that nothing is dropped between resolutions."""


class DiscardedShares:
    """The shares of single images at each pooling of an encoder, by the pooling's name; each [N] when all are seen."""

    def __init__(self, model: HierarchicalVAE) -> None:
        self.encoder = model.encoder
        self.shares: dict[str, list[Tensor]] = {pool.name: [] for pool in model.plan.pools}
        self._embeddings = {pool.name: embedding(pool) for pool in model.plan.pools}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within, what enters the poolings is looked at; the encoder passes each once."""
        hooks = [module.register_forward_hook(self._seeing(name)) for name, module in self.encoder.pools.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _seeing(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def see(_: nn.Module, entered: tuple[Tensor, ...], pooled: Tensor) -> None:
            projected = self._embeddings[name].to(pooled.device)(pooled.double())
            self.shares[name].append(discarded_share(entered[0].double(), projected))

        return see


def embedding(pool: Resampling) -> nn.Module:
    """What brings the result of a pooling back to the resolution that it came from."""
    assert pool.method != "nearest", "nearest is no pooling"
    wavelet = wavelet_of(embedding_of(pool.method))
    return NearestEmbedding(pool.factor) if wavelet is None else WaveletEmbedding(wavelet, pool.fine, pool.factor)


def discarded_share(activation: Tensor, projected: Tensor) -> Tensor:
    """||a - P a||^2 / ||a||^2 of activations and their projections [B, C, R, R], [B]; 0 where a is zero."""
    dropped = norms(activation - projected) ** 2
    return (dropped / norms(activation).square().clamp(min=SQUARES_OF_ZERO)).cpu()


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `discarded`."""
    title = "What the poolings of the encoder drop"
    indices = subject.indices(IMAGES)
    where = subject.model.plan.pools
    data: dict[str, object] = {**subject.described(), "images": len(indices)}
    if not where:
        return Result("discarded", title, WITHOUT, {**data, "poolings": []})
    shares = {
        "trained": _shares(subject, subject.model, indices, "discarded: trained"),
        "initial": _shares(subject, subject.run.initial_model(), indices, "discarded: at initialisation"),
    }
    data["pooling"] = where[0].method
    data["poolings"] = [
        {
            "resolution": pooling.fine,
            "factor": pooling.factor,
            **{f"{which}_share_mean": share[number].mean().item() for which, share in shares.items()},
            **{f"{which}_share_std": share[number].std(unbiased=False).item() for which, share in shares.items()},
        }
        for number, pooling in enumerate(where)
    ]
    drawing = Drawing("discarded", _figure(where, shares), "The share of an activation that each pooling drops.")
    kept = WHAT_IS_KEPT[where[0].method]
    text = TEXT.format(images=len(indices), split=subject.split, projection=kept)
    return Result("discarded", title, text, data, (drawing,))


ANALYSIS = Analysis("discarded", "The share of the activations that each pooling drops", examine)


def _shares(subject: Subject, model: HierarchicalVAE, indices: list[int], description: str) -> Tensor:
    """The share of each image at each pooling, [poolings, N]."""
    seen = DiscardedShares(model)
    for batch in subject.watched(indices, description):
        x, _ = subject.evaluator.prepared(batch)
        with seen.watching():
            model.encode(x)
    return torch.stack([torch.cat(seen.shares[pool.name]) for pool in model.plan.pools])


def _figure(where: tuple[Resampling, ...], shares: dict[str, Tensor]) -> Figure:
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
    axes.set_xticks(range(len(where)), [f"{pooling.fine} to {pooling.coarse}" for pooling in where])
    axes.set_xlabel("pooling")
    axes.set_ylabel(r"$\|(I - P)\,a\|^2\ /\ \|a\|^2$")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
