"""Samples from the prior at several temperatures, with the same noise."""

from __future__ import annotations

import torch

from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import image_grid
from hvaedsl_runtime.evaluate.pictures import samples_for_display, targets_for_display

TEMPERATURES = (0.1, 0.4, 0.7, 0.85, 1.0)
SAMPLES = 8

TEXT = """\
Samples from the prior. The temperature multiplies the standard deviation of the prior of every layer (Child 2021): \
at 0, each latent would be the mean of its prior; at 1, it is drawn from the model as it was trained. All images in a \
column use the same noise.

The first grid shows images drawn from the likelihood, as in hvaedsl sample; the second grid shows the central images \
of the same likelihoods, without pixel noise."""


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `temperatures`; `images` of the subject is the number of samples."""
    model, spec = subject.model, subject.spec
    count = subject.images or SAMPLES
    samples, means = [], []

    prior = subject.run.prior(model, subject.seed)
    for temperature in TEMPERATURES:
        drawn, central = [], []
        for images, state in prior.states(count, temperature):
            drawn.append(prior.pixels(images, state))
            central.append(model.likelihood.mean(state)[: len(images)])
        samples.append(samples_for_display(torch.cat(drawn), spec, subject.run.preparation))
        means.append(targets_for_display(torch.cat(central), spec, subject.run.preparation))

    rows = [f"t = {temperature:g}" for temperature in TEMPERATURES]
    data = {
        **subject.metadata(),
        "samples": count,
        "temperatures": [
            {
                "temperature": temperature,
                # The diversity of the images: the standard deviation over samples, averaged over pixels.
                "pixel_std_over_samples": mean.double().std(dim=0, correction=0).mean().item(),
            }
            for temperature, mean in zip(TEMPERATURES, means, strict=True)
        ],
    }

    samples_grid = image_grid(torch.stack(samples), rows=rows)
    means_grid = image_grid(torch.stack(means), rows=rows)
    shown = subject.shown_values
    drawings = (
        Drawing("temperatures", samples_grid, f"Samples from the likelihood.{shown}", images=True),
        Drawing("temperatures-means", means_grid, f"Central images of the likelihood.{shown}", images=True),
    )
    return Result("temperatures", "Samples at several temperatures", TEXT, data, drawings)


ANALYSIS = Analysis("temperatures", examine)
