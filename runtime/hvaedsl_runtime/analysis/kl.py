"""Where the rate is spent: KL per layer and resolution, active units, collapsed layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from matplotlib.figure import Figure
from torch import Tensor

from hvaedsl.nn.cells import Cell
from hvaedsl.nn.steps import TopDown
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.collapse import ACTIVE_VARIANCE, COLLAPSED_KL_NATS, is_collapsed
from hvaedsl_runtime.analysis.figures import COLOURS, GREY, mark_jumps, panels, whole_numbers
from hvaedsl_runtime.analysis.observation import DecoderVisit, observed

IMAGES = 256

TEXT = """\
KL(q || p) of every stochastic layer, in nats an image, the mean over {images} {split} images; layers count from 0 at \
the top of the hierarchy. Their sum is the rate of these images, {rate:.4g} nats. The first layer's prior is the same \
for every image; its KL is {first:.4g} nats.

A unit is one channel of z at one place. It is active where the variance over these images of (mu_q - mu_p) / sigma_p \
exceeds {variance:g}: the criterion of Burda et al. (2016), with what the prior says already taken away, since here it \
depends on the latents above. One draw of those stands for their mean, which on average adds to the variance. (One's \
own cell that has not the methods of Cell tells its KL alone.) A layer \
is collapsed where its KL is below {threshold:g} nats: a unit's KL is at least half that variance, so none of its \
units is active.

{collapsed}"""


@dataclass
class Layer:
    """What is added up over batches for a layer: KL [B] of every batch, sums over images for every unit.

    The sums, [latent, R, R], are of (mu_q - mu_p) / sigma_p and of its square; without them for one's own cell that
    does not tell its Gaussians.
    """

    step: TopDown
    kl_nats: list[Tensor] = field(default_factory=list)
    sums: tuple[Tensor, Tensor] | None = None
    images: int = 0

    def add(self, standardised: Tensor) -> None:
        """Add the images of a batch: (mu_q - mu_p) / sigma_p, float64 [B, latent, R, R]."""
        total, of_squares = standardised.sum(dim=0), (standardised**2).sum(dim=0)
        self.sums = (total, of_squares) if self.sums is None else (self.sums[0] + total, self.sums[1] + of_squares)
        self.images += len(standardised)

    @property
    def units(self) -> int:
        """Channels times places."""
        return self.step.latent * self.step.resolution**2

    @property
    def mean_kl_nats(self) -> float:
        """The mean over images, in nats an image."""
        return torch.cat(self.kl_nats).mean().item()

    @property
    def active_units(self) -> int | None:
        """How many units have a variance over images above the threshold; None where the cell does not tell.

        The variance of these very images, without Bessel's correction: it is then bounded by their KL.
        """
        if self.sums is None:
            return None
        total, of_squares = self.sums
        variance = (of_squares - total**2 / self.images) / self.images
        return int((variance > ACTIVE_VARIANCE).sum())

    def to_dict(self) -> dict[str, object]:
        """Every figure by name."""
        kl_nats = self.mean_kl_nats
        return {
            "layer": self.step.layer,
            "block": self.step.block,
            "resolution": self.step.resolution,
            "kl_nats": kl_nats,
            "kl_nats_std": torch.cat(self.kl_nats).std(correction=0).item(),
            "units": self.units,
            "kl_nats_per_unit": kl_nats / self.units,
            "active_units": self.active_units,
            "collapsed": is_collapsed(kl_nats),
        }


def measure(subject: Subject, indices: list[int]) -> list[Layer]:
    """The layers of the chosen weights over these images of the split."""
    layers: dict[int, Layer] = {}

    def see(visit: DecoderVisit) -> None:
        layer = layers.setdefault(visit.step.layer, Layer(visit.step))
        layer.kl_nats.append(visit.kl_nats.double().cpu())
        if isinstance(visit.cell, Cell):
            q = visit.cell.posterior_parameters(visit.before, visit.activation)
            p, _ = visit.cell.prior_parameters(visit.before)
            layer.add((q.mean.double() - p.mean.double()) * torch.exp(-p.log_sigma.double()))

    for batch in subject.watched(indices, "KL"):
        with observed(subject.model, decoder=see), torch.no_grad():
            subject.model.latents(subject.evaluator.prepared(batch)[0], noise=subject.evaluator.noise(batch))
    return [layers[number] for number in range(len(layers))]


def examine(subject: Subject) -> Result:
    """The analysis `kl`."""
    indices = subject.indices(IMAGES)
    layers = measure(subject, indices)
    by_resolution = _by_resolution(layers)
    collapsed = [layer.step for layer in layers if is_collapsed(layer.mean_kl_nats)]
    rate_nats = sum(layer.mean_kl_nats for layer in layers)
    data = {
        **subject.described(),
        "images": len(indices),
        "rate_nats": rate_nats,
        "first_layer_kl_nats": layers[0].mean_kl_nats,
        "active_variance": ACTIVE_VARIANCE,
        "collapsed_below_kl_nats": COLLAPSED_KL_NATS,
        "collapsed_layers": [step.layer for step in collapsed],
        "layers_without_active_unit": [layer.step.layer for layer in layers if layer.active_units == 0],
        "layers": [layer.to_dict() for layer in layers],
        "resolutions": by_resolution,
    }
    text = TEXT.format(
        images=len(indices),
        split=subject.split,
        rate=rate_nats,
        first=layers[0].mean_kl_nats,
        variance=ACTIVE_VARIANCE,
        threshold=COLLAPSED_KL_NATS,
        collapsed=_named(collapsed, len(layers)),
    )
    drawings = (
        Drawing("kl", draw_layers(layers), "KL and active units per layer; colours tell the resolutions apart."),
        Drawing("kl-resolutions", draw_resolutions(by_resolution), "The same, summed over each resolution."),
    )
    return Result("kl", "KL per layer and resolution", text, data, drawings)


def draw_layers(layers: Sequence[Layer]) -> Figure:
    """KL on a linear and on a logarithmic scale, and the share of active units, by layer, coloured by resolution."""
    figure, (rates, logarithms, activity) = panels(3, height_inches=1.9)
    of_resolution = _colours([layer.step.resolution for layer in layers])
    colours = [of_resolution[layer.step.resolution] for layer in layers]
    positions = [layer.step.layer for layer in layers]
    kl_nats = [layer.mean_kl_nats for layer in layers]
    rates.bar(positions, kl_nats, width=0.8, color=colours)
    rates.set_ylabel("KL, nats an image")
    logarithms.scatter(positions, [kl if kl > 0 else math.nan for kl in kl_nats], s=16, c=colours, zorder=2)
    logarithms.set_yscale("log")
    logarithms.axhline(COLLAPSED_KL_NATS, color=GREY, linewidth=0.9)
    logarithms.annotate(
        f"collapsed below {COLLAPSED_KL_NATS:g}",
        (1, COLLAPSED_KL_NATS),
        xycoords=("axes fraction", "data"),
        xytext=(0, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=7,
        color=GREY,
    )
    logarithms.set_ylabel("the same, log scale")
    activity.bar(positions, [(layer.active_units or 0) / layer.units for layer in layers], width=0.8, color=colours)
    activity.set_ylabel("active units, share")
    activity.set_ylim(0, 1)
    activity.set_xlabel("layer, from the top of the hierarchy")
    jumps = [
        (below.step.layer - 0.5, f"{above.step.resolution} \N{RIGHTWARDS ARROW} {below.step.resolution}")
        for above, below in pairwise(layers)
        if above.step.resolution != below.step.resolution
    ]
    for axes in (rates, logarithms, activity):
        axes.grid(axis="x", visible=False)
        axes.set_xlim(-0.6, len(layers) - 0.4)
        whole_numbers(axes.xaxis)
        mark_jumps(axes, jumps if axes is rates else [(position, "") for position, _ in jumps])
    return figure


def draw_resolutions(rows: Sequence[dict[str, int | float]]) -> Figure:
    """The KL of each resolution, with its share of the rate and its active units written beside the bar."""
    figure, (axes,) = panels(height_inches=0.7 + 0.3 * len(rows))
    colours = _colours([int(row["resolution"]) for row in rows])
    names = [f"{row['resolution']}x{row['resolution']}" for row in rows]
    kl_nats = [row["kl_nats"] for row in rows]
    bars = axes.barh(names, kl_nats, color=[colours[int(row["resolution"])] for row in rows])
    axes.bar_label(
        bars,
        [f"{row['share_of_rate']:.1%}, {_activity(row)}" for row in rows],
        padding=4,
        fontsize=8,
    )
    axes.set_xlim(0, max(kl_nats) * 1.7 or 1)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("KL, nats an image")
    return figure


def _by_resolution(layers: Sequence[Layer]) -> list[dict[str, int | float]]:
    rate_nats = sum(layer.mean_kl_nats for layer in layers)
    rows: list[dict[str, int | float]] = []
    for resolution in dict.fromkeys(layer.step.resolution for layer in layers):
        of_it = [layer for layer in layers if layer.step.resolution == resolution]
        kl_nats = sum(layer.mean_kl_nats for layer in of_it)
        rows.append(
            {
                "resolution": resolution,
                "layers": len(of_it),
                "collapsed_layers": sum(is_collapsed(layer.mean_kl_nats) for layer in of_it),
                "kl_nats": kl_nats,
                "share_of_rate": kl_nats / rate_nats if rate_nats else 0.0,
                "units": sum(layer.units for layer in of_it),
                "active_units": sum(layer.active_units or 0 for layer in of_it),
                "units_not_told": sum(layer.units for layer in of_it if layer.active_units is None),
            }
        )
    return rows


def _activity(row: dict[str, int | float]) -> str:
    """The active units of a resolution; not told of one's own cell that keeps its Gaussians to itself."""
    if row["units_not_told"]:
        return f"{row['units']:,} units, not told which are active"
    return f"{row['active_units']:,} of {row['units']:,} units active"


def _named(collapsed: Sequence[TopDown], depth: int) -> str:
    if not collapsed:
        return f"No layer of {depth} is collapsed."
    names = ", ".join(f"{step.layer} ({step.block} at {step.resolution}x{step.resolution})" for step in collapsed)
    return f"{len(collapsed)} of {depth} layers {'is' if len(collapsed) == 1 else 'are'} collapsed: {names}."


def _colours(resolutions: Sequence[int]) -> dict[int, str]:
    return {
        resolution: COLOURS[index % len(COLOURS)] for index, resolution in enumerate(sorted(dict.fromkeys(resolutions)))
    }


ANALYSIS = Analysis("kl", "KL per layer and resolution, active units, collapsed layers", examine)
