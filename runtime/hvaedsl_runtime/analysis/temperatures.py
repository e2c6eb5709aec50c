"""Images from the prior at several temperatures, from the same noise."""

from __future__ import annotations

import torch
from torch import Tensor

from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.analysis.base import Analysis, Drawing, Result, Subject
from hvaedsl_runtime.analysis.figures import image_grid
from hvaedsl_runtime.evaluate.pictures import samples_for_display, targets_for_display
from hvaedsl_runtime.noise import seeded_generator

TEMPERATURES = (0.1, 0.4, 0.7, 0.85, 1.0)
SAMPLES = 8
MOST_COLUMNS = 16

TEXT = """\
Images from the prior alone. The temperature multiplies the standard deviation of every layer's prior (Child 2021): \
towards 0 each latent is its prior's mean, at 1 it is drawn from the model as it was trained. A column has the same \
noise throughout, so only the temperature changes down it.

The first picture shows images drawn from the likelihood, as hvaedsl sample draws them; the second the central image \
of the same likelihoods, without the noise of the pixels."""


@torch.no_grad()
def states(model: HierarchicalVAE, subject: Subject, count: int, temperature: float) -> Tensor:
    """The states that the likelihood reads, [count, width, H, W], from the prior at a temperature."""
    size = subject.evaluator.batch_size
    parts = []
    for start in range(0, count, size):
        draws = range(start, min(start + size, count))
        noise = subject.prior_noise(draws)
        parts.append(model.decode_prior(len(draws), temperature=temperature, noise=noise))
    return torch.cat(parts)


@torch.no_grad()
def examine(subject: Subject) -> Result:
    """The analysis `temperatures`; `images` of the subject is how many samples."""
    model, spec = subject.model, subject.spec
    count = subject.images or SAMPLES
    samples, means = [], []
    for temperature in TEMPERATURES:
        drawn = states(model, subject, count, temperature)
        generator = seeded_generator(subject.run.device, subject.seed, "likelihood")
        samples.append(samples_for_display(model.likelihood.sample(drawn, generator).cpu(), spec))
        means.append(targets_for_display(model.likelihood.mean(drawn), spec))
    rows = [f"t = {temperature:g}" for temperature in TEMPERATURES]
    data = {
        **subject.described(),
        "samples": count,
        "temperatures": [
            {
                "temperature": temperature,
                # How far apart the images are: the mean over pixels of their standard deviation over samples.
                "pixel_std_over_samples": mean.double().std(dim=0, correction=0).mean().item(),
            }
            for temperature, mean in zip(TEMPERATURES, means, strict=True)
        ],
    }
    drawings = (
        Drawing("temperatures", image_grid(torch.stack(samples), rows=rows), "Drawn from the likelihood.", images=True),
        Drawing(
            "temperatures-means",
            image_grid(torch.stack(means), rows=rows),
            "The likelihood's central image.",
            images=True,
        ),
    )
    return Result("temperatures", "Samples over temperatures", TEXT, data, drawings)


ANALYSIS = Analysis("temperatures", "Images from the prior at several temperatures, from the same noise", examine)
