"""Images projected onto the resolutions of the hierarchy, and the details that each projection drops."""

from __future__ import annotations

from dataclasses import asdict

import torch
from matplotlib.figure import Figure
from torch import Tensor

from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import image_grid, panels
from hvaedsl_runtime.distributed import as_float64
from hvaedsl_runtime.evaluate.pictures import targets_for_display
from hvaedsl_runtime.theory.checks import projection_checks
from hvaedsl_runtime.theory.projection import average_projection, norms

IMAGES = 128
SHOWN = 3
SQUARES_OF_ZERO = 1e-30

TEXT = """\
P_R x is the projection of an image x onto resolution R: every patch that becomes one value at R is replaced by its \
mean. The row below it shows the details (I - P_R) x, gray where they are zero; at R = {finest} there are none. By \
Theorem 2 (Falck, Williams et al. 2022), if {finest} / R is a power of two, P_R x is the inverse Haar transform of \
the image with all finer details set to zero. The resolutions of this model are {resolutions}.

The share ||P_R x||^2 / ||x||^2 is that of the image as the model reads it, shifted and scaled: mean and standard \
deviation over {images} {split} images, spread evenly over the split. The rest of the energy is that of the details. \
The share depends only on the images and the hierarchy, not on the weights.

The data include the checks of Theorem 2 on these images, in float64: {passed} of {checks} checks passed."""


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `projections`."""
    finest, *coarser = subject.run.program.bridge.resolutions()
    indices = subject.indices(IMAGES)

    # The images as the model reads them, and as they are displayed, both [N, C, H, W].
    inputs, shown = [], []
    for batch in subject.batches_with_progress(indices, "projections"):
        x, target = subject.evaluator.prepared(batch)
        inputs.append(as_float64(x).cpu().permute(0, 3, 1, 2))
        shown.append(targets_for_display(target, subject.spec, subject.run.preparation).double().permute(0, 3, 1, 2))
    x, images = torch.cat(inputs), torch.cat(shown)

    shares = torch.stack([_energy_share(x, finest // resolution) for resolution in (finest, *coarser)])
    means, stds = shares.mean(dim=1).tolist(), shares.std(dim=1, unbiased=False).tolist()
    rows = [
        {"resolution": resolution, "factor": finest // resolution, "energy_share_mean": mean, "energy_share_std": std}
        for resolution, mean, std in zip((finest, *coarser), means, stds, strict=True)
    ]
    checks = list(projection_checks(images, subject.seed))
    data = {
        **subject.metadata(),
        "images": len(indices),
        "projections": rows,
        "theorem_2": [asdict(check) | {"holds": check.holds} for check in checks],
    }
    text = TEXT.format(
        finest=finest,
        resolutions=", ".join(map(str, (finest, *coarser))),
        images=len(indices),
        split=subject.split,
        passed=sum(check.holds for check in checks),
        checks=len(checks),
    )

    grid = _grid(images[:: max(1, len(images) // SHOWN)][:SHOWN], (finest, *coarser))
    energy = _energy_figure((finest, *coarser), means, stds)
    drawings = (
        Drawing(
            "projections",
            grid,
            f"P_R x for each resolution, and the details below it.{subject.shown_values}",
            images=True,
        ),
        Drawing(
            "projections-energy", energy, "The share of energy that each resolution keeps: mean and standard deviation."
        ),
    )
    return Result("projections", "Projections onto the resolutions", text, data, drawings)


ANALYSIS = Analysis("projections", examine)


def _energy_share(x: Tensor, factor: int) -> Tensor:
    """||P x||^2 / ||x||^2, shape [N], for images x of shape [N, C, H, W]; 0 for an image of zeros."""
    return norms(average_projection(x, factor)) ** 2 / norms(x).square().clamp(min=SQUARES_OF_ZERO)


def _grid(images: Tensor, resolutions: tuple[int, ...]) -> Figure:
    """Two rows for each of the images [N, C, H, W] in [0, 1], P_R x and (I - P_R) x, with a column per resolution."""
    projected = [average_projection(images, resolutions[0] // resolution) for resolution in resolutions]
    kept = torch.stack(projected, dim=1)
    details = (1 + images[:, None] - kept) / 2
    rows = torch.stack((kept, details), dim=1).flatten(0, 1)
    labels = ["P x", "(I - P) x"] * len(images)
    headings = [f"R = {resolution}" for resolution in resolutions]
    return image_grid(rows.permute(0, 1, 3, 4, 2), rows=labels, columns=headings)


def _energy_figure(resolutions: tuple[int, ...], means: list[float], stds: list[float]) -> Figure:
    figure, (axes,) = panels()
    places = range(len(resolutions))
    axes.errorbar(places, means, yerr=stds, marker="o", markersize=4, capsize=3)
    axes.set_xticks(places, [str(resolution) for resolution in resolutions])
    axes.set_xlabel("resolution R")
    axes.set_ylabel(r"$\|P_R\,x\|^2\ /\ \|x\|^2$")
    axes.set_ylim(0, 1.05)
    return figure
