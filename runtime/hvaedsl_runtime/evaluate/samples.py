"""Samples from a model's prior, written as they are drawn."""

from __future__ import annotations

from hvaedsl.lowering.module import Temperature
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights, check_samples
from hvaedsl_runtime.evaluate.image_output import ImageOutput


def write_samples(
    finished: FinishedRun,
    output: ImageOutput,
    weights: Weights,
    count: int,
    temperature: Temperature,
    seed: int,
    asked: str = "",
    *,
    replace: bool = False,
) -> None:
    """Draw images 0 to `count` - 1 from the prior and write them; a batch of them is in memory, all for a picture.

    Image i is that of `FinishedRun.sample`, whatever the count. Raises UsageError for a temperature that is not a
    positive, finite number and for a count below 1, and Diverged, which names the temperature as `asked`; otherwise as
    `ImageOutput.check`, `FinishedRun.model` and `PriorSampler` do.
    """
    spec = finished.program.spec
    check_samples(count, temperature)
    output.check(spec, replace=replace)

    sampler = finished.prior(finished.model(weights), seed, asked)
    with image_bar("samples", count) as advance, output.opened(spec, count, preparation=finished.preparation) as write:
        for images in sampler.batches(count, temperature):
            write(images)
            advance(len(images))
