"""The share of the encoder's activations that each pooling discards."""

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
from hvaedsl_runtime.distributed import as_float64
from hvaedsl_runtime.theory.projection import norms

IMAGES = 128
SQUARES_OF_ZERO = 1e-30

TEXT = """\
r_R = E[||(I - P) a||^2 / ||a||^2] is the share of an activation that a pooling discards, averaged over {images} \
{split} images. The activation a is the input of the encoder's pooling at resolution R, over all channels. \
{projection}

The control is the same model with its initial weights: part of the share is due to the images and the architecture, \
not to training.

This does not verify Theorem 3 (Falck, Williams et al. 2022): the blocks are not known to be invertible and have no \
known Lipschitz constants, and the decoder reads the discarded details through its skip connections. `hvaedsl \
check-theory` checks the theorem for stacks of affine maps."""

PROJECTIONS: Mapping[Pooling | Embedding, str] = {
    "average": "P a is the average over every pooled patch, repeated over the patch. With pooling by k, the share is "
    "1 - 1/k^2 for white noise and 0 for a constant.",
    "strided": "P a is the first value of every patch, repeated over the patch, as in the decoder. This P is not an "
    "orthogonal projection, so the share may be above 1; with stride k, it is 2 (1 - 1/k^2) for white noise.",
    "wavelet(haar)": "P a is the inverse Haar transform of the pooled approximation with all details zero, which is "
    "the average over every patch. With pooling by k, the share is 1 - 1/k^2 for white noise and 0 for a constant.",
    "wavelet(db2)": "P a is the inverse db2 transform of the pooled approximation with all details zero: an orthogonal "
    "projection, but not that of average pooling (Theorem 2). With pooling by k, the share is 1 - 1/k^2 for white "
    "noise and 0 for a constant.",
}

NO_POOLING = "The encoder of this model has no pooling, so no activations are discarded between resolutions."


class DiscardedShares:
    """The shares of single images at each pooling of an encoder, by name of the pooling: a list of tensors [B]."""

    def __init__(self, model: HierarchicalVAE) -> None:
        self.encoder = model.encoder
        self.shares: dict[str, list[Tensor]] = {pool.name: [] for pool in model.plan.pools}
        self._embeddings = {pool.name: embedding(pool) for pool in model.plan.pools}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the inputs of the poolings inside the block; the encoder applies each once per forward pass."""
        hooks = [module.register_forward_hook(self._hook(name)) for name, module in self.encoder.pools.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def record(_: nn.Module, inputs: tuple[Tensor, ...], pooled: Tensor) -> None:
            wide = as_float64(pooled)
            projected = self._embeddings[name].to(wide.device)(wide)
            self.shares[name].append(discarded_share(as_float64(inputs[0]), projected))

        return record


def embedding(pool: Resampling) -> nn.Module:
    """The module that brings the output of a pooling back to the resolution of its input."""
    assert pool.method != "nearest", "nearest is not a pooling"
    wavelet = wavelet_of(embedding_of(pool.method))
    return NearestEmbedding(pool.factor) if wavelet is None else WaveletEmbedding(wavelet, pool.fine, pool.factor)


def discarded_share(activation: Tensor, projected: Tensor) -> Tensor:
    """||a - P a||^2 / ||a||^2 of activations and their projections [B, C, R, R], [B]; 0 if a is zero."""
    dropped = norms(activation - projected) ** 2
    return (dropped / norms(activation).square().clamp(min=SQUARES_OF_ZERO)).cpu()


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `discarded`."""
    title = "Activations discarded by each pooling"
    indices = subject.indices(IMAGES)
    pools = subject.model.plan.pools
    data: dict[str, object] = {**subject.metadata(), "images": len(indices)}
    if not pools:
        return Result("discarded", title, NO_POOLING, {**data, "poolings": []})

    shares = {
        "trained": _shares(subject, subject.model, indices, "discarded: trained"),
        "initial": _shares(subject, subject.run.initial_model(), indices, "discarded: at initialization"),
    }
    data["pooling"] = pools[0].method
    data["poolings"] = [
        {
            "resolution": pooling.fine,
            "factor": pooling.factor,
            **{f"{which}_share_mean": share[number].mean().item() for which, share in shares.items()},
            **{f"{which}_share_std": share[number].std(unbiased=False).item() for which, share in shares.items()},
        }
        for number, pooling in enumerate(pools)
    ]

    drawing = Drawing("discarded", _figure(pools, shares), "The share of an activation that each pooling discards.")
    text = TEXT.format(images=len(indices), split=subject.split, projection=PROJECTIONS[pools[0].method])
    return Result("discarded", title, text, data, (drawing,))


ANALYSIS = Analysis("discarded", examine)


def _shares(subject: Subject, model: HierarchicalVAE, indices: list[int], description: str) -> Tensor:
    """The share of each image at each pooling, [poolings, N]."""
    recorder = DiscardedShares(model)
    for batch in subject.batches_with_progress(indices, description):
        x, _ = subject.evaluator.prepared(batch)
        with recorder.recording():
            model.encode(x)
    return torch.stack([torch.cat(recorder.shares[pool.name]) for pool in model.plan.pools])


def _figure(pools: tuple[Resampling, ...], shares: dict[str, Tensor]) -> Figure:
    figure, (axes,) = panels()
    labels = {"trained": "trained", "initial": "at initialization"}

    for offset, style, (which, share) in zip((-0.04, 0.04), ("-", "--"), shares.items(), strict=True):
        axes.errorbar(
            [place + offset for place in range(len(pools))],
            share.mean(dim=1).tolist(),
            yerr=share.std(dim=1, unbiased=False).tolist(),
            marker="o",
            markersize=4,
            capsize=3,
            linestyle=style,
            label=labels[which],
        )

    axes.set_xticks(range(len(pools)), [f"{pooling.fine} to {pooling.coarse}" for pooling in pools])
    axes.set_xlabel("pooling")
    axes.set_ylabel(r"$\|(I - P)\,a\|^2\ /\ \|a\|^2$")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
