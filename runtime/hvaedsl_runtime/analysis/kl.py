"""The distribution of the rate over the hierarchy: KL per layer and resolution, active units, collapsed layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.figure import Figure

from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.image_size import size_text
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import COLORS, GRAY, mark_jumps, panels, whole_numbers
from hvaedsl_runtime.evaluate.latent_use import ACTIVE_VARIANCE, COLLAPSED_KL_NATS, LayerUse, is_collapsed, layer_use

IMAGES = 256

TEXT = """\
KL(q || p) of every stochastic layer in nats per image, averaged over {images} {split} images. Layers are numbered \
from 0 at the top of the hierarchy. The sum over layers is the rate of these images, {rate:.4g} nats. The prior of \
the first layer is the same for every image; the KL of this layer is {first:.4g} nats.

A unit is one channel of z at one spatial position. It is active if the variance over these images of (mu_q - mu_p) / \
sigma_p exceeds {variance:g}. This is the criterion of Burda et al. (2016), with the mean of the prior subtracted, \
because here the prior depends on the latents above. One draw of these latents is used instead of their mean, which \
increases the variance on average. (A custom cell without the methods of Cell reports only its KL.) A layer is \
collapsed if its KL is below {threshold:g} nats. The KL of a unit is at least half of this variance, so a collapsed \
layer has no active units.

{collapsed}"""


def measure(subject: Subject, indices: list[int]) -> list[LayerUse]:
    """Measure every layer, with the chosen weights, on these images of the split."""
    return layer_use(subject.model, subject.evaluator, subject.batches_with_progress(indices, "KL"))


def examine(subject: Subject) -> Result:
    """The analysis `kl`."""
    indices = subject.indices(IMAGES)
    layers = measure(subject, indices)
    by_resolution = _by_resolution(layers)
    collapsed = [layer for layer in layers if is_collapsed(layer.mean_kl_nats)]
    rate_nats = sum(layer.mean_kl_nats for layer in layers)

    data = {
        **subject.metadata(),
        "images": len(indices),
        "rate_nats": rate_nats,
        "first_layer_kl_nats": layers[0].mean_kl_nats,
        "active_variance": ACTIVE_VARIANCE,
        "collapsed_below_kl_nats": COLLAPSED_KL_NATS,
        "collapsed_layers": [layer.step.layer for layer in collapsed],
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
        collapsed=_collapsed_text(collapsed, len(layers)),
    )

    drawings = (
        Drawing("kl", draw_layers(layers), "KL and active units per layer, colored by resolution."),
        Drawing("kl-resolutions", draw_resolutions(by_resolution), "KL and active units per resolution."),
    )
    return Result("kl", "KL per layer and resolution", text, data, drawings)


def draw_layers(layers: Sequence[LayerUse]) -> Figure:
    """KL on a linear and on a logarithmic scale, and the share of active units, per layer and colored by resolution."""
    figure, (rates, logarithms, activity) = panels(3, height_inches=1.9)
    by_resolution = _colors([layer.step.resolution for layer in layers])
    colors = [by_resolution[layer.step.resolution] for layer in layers]
    positions = [layer.step.layer for layer in layers]
    kl_nats = [layer.mean_kl_nats for layer in layers]

    rates.bar(positions, kl_nats, width=0.8, color=colors)
    rates.set_ylabel("KL (nats/image)")

    logarithms.scatter(positions, [kl if kl > 0 else math.nan for kl in kl_nats], s=16, c=colors, zorder=2)
    logarithms.set_yscale("log")
    logarithms.axhline(COLLAPSED_KL_NATS, color=GRAY, linewidth=0.9)
    logarithms.annotate(
        f"collapsed below {COLLAPSED_KL_NATS:g}",
        (1, COLLAPSED_KL_NATS),
        xycoords=("axes fraction", "data"),
        xytext=(0, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=7,
        color=GRAY,
    )
    logarithms.set_ylabel("KL (nats/image)")

    activity.bar(positions, [(layer.active_units or 0) / layer.units for layer in layers], width=0.8, color=colors)
    activity.set_ylabel("share of active units")
    activity.set_ylim(0, 1)
    activity.set_xlabel("layer (from the top of the hierarchy)")

    # All panels have the marks at changes of resolution; the first one has their labels.
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
    """The KL of each resolution; the labels are its share of the rate and its active units."""
    figure, (axes,) = panels(height_inches=0.7 + 0.3 * len(rows))
    colors = _colors([int(row["resolution"]) for row in rows])
    names = [f"{row['resolution']}x{row['resolution']}" for row in rows]
    kl_nats = [row["kl_nats"] for row in rows]

    bars = axes.barh(names, kl_nats, color=[colors[int(row["resolution"])] for row in rows])
    axes.bar_label(
        bars,
        [f"{row['share_of_rate']:.1%}, {_active_text(row)}" for row in rows],
        padding=4,
        fontsize=8,
    )

    # Space on the right for the labels of the bars. A KL that is not finite has no bar.
    longest = max(filter(math.isfinite, kl_nats), default=0)
    axes.set_xlim(0, longest * 1.7 or 1)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("KL (nats/image)")
    return figure


def _by_resolution(layers: Sequence[LayerUse]) -> list[dict[str, int | float]]:
    rate_nats = sum(layer.mean_kl_nats for layer in layers)
    rows: list[dict[str, int | float]] = []

    for resolution in dict.fromkeys(layer.step.resolution for layer in layers):
        layers_here = [layer for layer in layers if layer.step.resolution == resolution]
        kl_nats = sum(layer.mean_kl_nats for layer in layers_here)
        rows.append(
            {
                "resolution": resolution,
                "layers": len(layers_here),
                "collapsed_layers": sum(is_collapsed(layer.mean_kl_nats) for layer in layers_here),
                "kl_nats": kl_nats,
                "share_of_rate": kl_nats / rate_nats if rate_nats else 0.0,
                "units": sum(layer.units for layer in layers_here),
                "active_units": sum(layer.active_units or 0 for layer in layers_here),
                "units_not_told": sum(layer.units for layer in layers_here if layer.active_units is None),
            }
        )
    return rows


def _active_text(row: dict[str, int | float]) -> str:
    """The active units of a resolution; not known for a custom cell that does not provide its Gaussians."""
    if row["units_not_told"]:
        return f"{counted(int(row['units']), 'unit')}, active units not known"
    return f"{row['active_units']:,} of {row['units']:,} units active"


def _collapsed_text(collapsed: Sequence[LayerUse], depth: int) -> str:
    if not collapsed:
        return f"None of the {depth} layers is collapsed." if depth > 1 else "The only layer is not collapsed."

    named = ((layer.step, size_text(*layer.latent_shape[1:])) for layer in collapsed)
    names = ", ".join(f"{step.layer} ({step.block} at {size})" for step, size in named)
    return f"{len(collapsed)} of {depth} layers {'is' if len(collapsed) == 1 else 'are'} collapsed: {names}."


def _colors(resolutions: Sequence[int]) -> dict[int, str]:
    return {
        resolution: COLORS[index % len(COLORS)] for index, resolution in enumerate(sorted(dict.fromkeys(resolutions)))
    }


ANALYSIS = Analysis("kl", examine)
