"""Images and their reconstructions."""

from __future__ import annotations

import torch
from torch import Tensor

from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import image_grid
from hvaedsl_runtime.evaluate.pictures import targets_for_display
from hvaedsl_runtime.evaluate.units import dimensions, gives_of, recorded, reporting_unit

IMAGES = 8
MAX_COLUMNS = 16

TEXT = """\
{split} images, their reconstructions (the central image of the likelihood given one draw of all latents from the \
posterior), and the absolute difference of the two, from black (0) to white (1). The images are spread evenly over \
the split.

The data include the bound on -log p of each image, distortion plus rate, in {unit}, with the same noise as in \
evaluation."""


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `reconstructions`."""
    model, spec, unit = subject.model, subject.spec, reporting_unit(subject.spec)
    prepare = subject.run.preparation
    indices = subject.indices(IMAGES)

    def compute(batch: list[int]) -> tuple[Tensor, ...]:
        x, target = subject.evaluator.prepared(batch)
        latents = model.latents(x, noise=subject.evaluator.noise(batch))
        out = model(x, target, subject.evaluator.noise(batch))
        mean = targets_for_display(model.likelihood.mean(model.decode(latents)), spec, prepare)
        distortion = out.distortion_nats_per_dim + prepare.unit_nats_per_dim
        return targets_for_display(target, spec, prepare), mean, distortion, out.rate_nats_per_dim

    original, mean, distortions, rates = subject.computed_by_image(indices, compute, "reconstructions")
    rows = [
        {
            "index": index,
            "distortion_nats_per_dim": distortion,
            "rate_nats_per_dim": rate,
            unit.key: unit.of(distortion + rate),
        }
        for index, distortion, rate in zip(indices, distortions.tolist(), rates.tolist(), strict=True)
    ]
    grid = torch.stack((original, mean, (original - mean).abs()))[:, :MAX_COLUMNS]

    data = {
        **subject.metadata(),
        **recorded(gives_of(model)),
        "unit": unit.key,
        "dimensions": dimensions(spec),
        "mean_absolute_difference": (original - mean).abs().mean().item(),
        "images": rows,
    }
    figure = image_grid(grid, rows=("image", "reconstruction", "difference"))
    text = TEXT.format(split=subject.split.capitalize(), unit=unit.label_of(gives_of(model)))
    caption = f"Images, reconstructions and absolute differences.{subject.shown_values}"
    drawing = Drawing("reconstructions", figure, caption, images=True)
    return Result("reconstructions", "Reconstructions", text, data, (drawing,))


ANALYSIS = Analysis("reconstructions", examine)
