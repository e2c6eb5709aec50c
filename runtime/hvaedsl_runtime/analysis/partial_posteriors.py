"""Partial posteriors: some latents from the posterior and the others from the prior, to locate information."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor

from hvaedsl.lowering.module import HierarchicalVAE, Noise
from hvaedsl.lowering.plan import Plan
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import COLORS, image_grid, panels
from hvaedsl_runtime.evaluate.pictures import targets_for_display
from hvaedsl_runtime.evaluate.units import gives_of, recorded, reporting_unit

IMAGES = 8
TEMPERATURE = 0.1
MAX_ROWS = 8  # of an image grid
MAX_MASKS = 48  # of a family, in the data

TEXT = """\
Every latent of an image is drawn from the posterior once. Some of these latents are kept, and the others are drawn \
from the prior at temperature {temperature:g}, given the state that the kept ones lead to and with the same noise in \
every row. The resemblance of the result to the image shows how much information the kept latents carry. With all \
latents kept, the result is the reconstruction; with none, it is a sample from the prior.

There are three ways to choose the kept latents: the first k latents of every resolution (Falck, Williams et al. \
2022, Figure G.13); all latents of the resolutions up to R; the first k blocks (Child 2021, Figure 4). The image \
grids show the central image of the likelihood. The plot shows the distortion, -log p of the image given the latents, \
in {unit}, averaged over {images} {split} images."""


@dataclass(frozen=True)
class Mask:
    """The layers whose latent is kept from the posterior, and the label of their row in an image grid."""

    label: str
    kept: frozenset[int]


@dataclass(frozen=True)
class Family:
    """Nested masks, from no layer to all layers."""

    name: str
    title: str
    masks: tuple[Mask, ...]


def families(plan: Plan) -> tuple[Family, ...]:
    """The three families of masks; each starts with no layer, ends with all, and every mask contains the one before."""
    by_resolution: dict[int, list[int]] = {}
    for step in plan.layers:
        by_resolution.setdefault(step.resolution, []).append(step.layer)

    most = max(map(len, by_resolution.values()))
    first = [
        Mask(f"k = {k}", frozenset(layer for layers in by_resolution.values() for layer in layers[:k]))
        for k in range(most + 1)
    ]

    up_to = [Mask("none", frozenset())] + [
        Mask(f"R \N{LESS-THAN OR EQUAL TO} {top}", frozenset(_up_to(by_resolution, top)))
        for top in sorted(by_resolution)
    ]

    depth = len(plan.layers)
    blocks = [Mask(f"k = {k}", frozenset(range(k))) for k in range(depth + 1)]

    return (
        Family("first-of-each", "the first k latents of every resolution", tuple(evenly_spaced(first, MAX_MASKS))),
        Family("resolutions", "all latents of the resolutions up to R", tuple(up_to)),
        Family("blocks", "the first k blocks", tuple(evenly_spaced(blocks, MAX_MASKS))),
    )


def evenly_spaced(masks: Sequence[Mask], most: int) -> list[Mask]:
    """At most `most` of the masks, evenly spaced, including the first and the last."""
    if len(masks) <= most:
        return list(masks)
    return [masks[round(position * (len(masks) - 1) / (most - 1))] for position in range(most)]


def decode_kept(
    model: HierarchicalVAE, latents: Sequence[Tensor], kept: frozenset[int], noise: Noise, temperature: float
) -> Tensor:
    """The state for the likelihood, [B, width, H, W]: z of the kept layers, and draws from the prior for the others."""
    given = [z if layer in kept else None for layer, z in enumerate(latents)]
    return model.decoder.generate(latents[0].shape[0], given, temperature, noise)


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `partial-posteriors`."""
    unit, gives = reporting_unit(subject.spec), gives_of(subject.model)
    groups, indices = families(subject.model.plan), subject.indices(IMAGES)

    # The first images are shown. The others only count for the mean distortion.
    originals, distortions, *pictures = decoded(subject, groups, indices[:IMAGES], shown=True)
    if len(indices) > IMAGES:
        _, more = decoded(subject, groups, indices[IMAGES:], shown=False)
        distortions = torch.cat((distortions, more))
    means = distortions.mean(dim=0).tolist()
    mean_nats = {
        (family.name, len(mask.kept)): mean for (family, mask), mean in zip(_family_masks(groups), means, strict=True)
    }
    data = {
        **subject.metadata(),
        **recorded(gives),
        "images": len(indices),
        "temperature": TEMPERATURE,
        "unit": unit.key,
        "masks": {
            family.name: [
                {
                    "mask": mask.label,
                    "kept_layers": sorted(mask.kept),
                    "distortion_nats_per_dim": mean_nats[family.name, len(mask.kept)],
                }
                for mask in family.masks
            ]
            for family in groups
        },
    }
    label = unit.label_of(gives)
    text = TEXT.format(temperature=TEMPERATURE, unit=label, images=len(indices), split=subject.split)

    grids = [
        _grid(family, originals, images, subject.shown_values) for family, images in zip(groups, pictures, strict=True)
    ]
    plot = draw(groups, mean_nats, subject)
    curves = Drawing("partial-posteriors", plot, "Distortion over the share of kept layers.")
    return Result("partial-posteriors", "Partial posteriors", text, data, (*grids, curves))


def decoded(subject: Subject, groups: Sequence[Family], indices: Sequence[int], *, shown: bool) -> tuple[Tensor, ...]:
    """Decode images under every mask, with noise that is a function of the index of the image and the layer.

    Returns the images for display, [N, H, W, C]; their distortion in nats per dimension, float64 [N, masks]; and, if
    they are shown, the central images of each family, [N, rows, H, W, C].
    """
    model, spec, prepare = subject.model, subject.spec, subject.run.preparation

    def compute(batch: list[int]) -> tuple[Tensor, ...]:
        x, target = subject.evaluator.prepared(batch)
        latents = model.latents(x, noise=subject.evaluator.noise(batch))
        noise = subject.prior_noise(batch)
        distortions: list[Tensor] = []
        pictures: dict[str, list[Tensor]] = {}

        for family, mask in _family_masks(groups):
            state = decode_kept(model, latents, mask.kept, noise, TEMPERATURE)
            distortion = model.likelihood.nll_nats_per_dim(state, target).cpu().double()
            distortions.append(distortion + prepare.unit_nats_per_dim)
            if shown and mask in evenly_spaced(family.masks, MAX_ROWS):
                image = targets_for_display(model.likelihood.mean(state), spec, prepare)
                pictures.setdefault(family.name, []).append(image)

        grids = (torch.stack(images, dim=1) for images in pictures.values())
        return (targets_for_display(target, spec, prepare), torch.stack(distortions, dim=1), *grids)

    return subject.computed_by_image(indices, compute, "partial posteriors")


def draw(groups: Sequence[Family], mean_nats: dict[tuple[str, int], float], subject: Subject) -> Figure:
    """The distortion over the share of layers whose latent is kept, one line per family."""
    unit = reporting_unit(subject.spec)
    depth = len(subject.model.plan.layers)
    figure, (axes,) = panels()

    for family, color, marker in zip(groups, COLORS, "os^", strict=False):
        kept = [len(mask.kept) for mask in family.masks]
        values = [unit.of(mean_nats[family.name, count]) for count in kept]
        shares = [count / depth for count in kept]
        axes.plot(shares, values, color=color, marker=marker, markersize=3.5, label=family.title)

    axes.set_xlabel("share of layers whose latent is kept")
    axes.set_ylabel(f"distortion ({unit.label_of(gives_of(subject.model))})")
    axes.legend()
    return figure


def _grid(family: Family, originals: Tensor, images: Tensor, shown: str) -> Drawing:
    """The grid of images [N, H, W, C] above their central images under the masks, [N, rows, H, W, C]."""
    masks = evenly_spaced(family.masks, MAX_ROWS)
    grid = torch.cat((originals[None], images.transpose(0, 1)))
    figure = image_grid(grid, rows=["image", *(mask.label for mask in masks)])
    return Drawing(f"partial-posteriors-{family.name}", figure, f"Kept: {family.title}.{shown}", images=True)


def _family_masks(groups: Sequence[Family]) -> Iterator[tuple[Family, Mask]]:
    return ((family, mask) for family in groups for mask in family.masks)


def _up_to(by_resolution: dict[int, list[int]], top: int) -> Iterator[int]:
    return (layer for resolution, layers in by_resolution.items() if resolution <= top for layer in layers)


ANALYSIS = Analysis("partial-posteriors", examine)
