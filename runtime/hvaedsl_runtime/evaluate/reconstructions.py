"""Reconstructions of images that a user names, or of a split, written as they are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import UnusableImages
from hvaedsl.diagnostics.refusals import ANOTHER_FILE, refusals_explained
from hvaedsl.lowering.module import HierarchicalVAE, Noise
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data.given_images import NamedImages
from hvaedsl_runtime.data.problems import Problems
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.evaluate.fixed_batches import fixed_batch_size, not_finite
from hvaedsl_runtime.evaluate.image_output import ImageOutput
from hvaedsl_runtime.evaluate.pictures import save_reconstructions, values_of_targets


def write_reconstructions(
    finished: FinishedRun,
    given: NamedImages,
    output: ImageOutput,
    weights: Weights,
    seed: int | None,
    *,
    replace: bool = False,
) -> None:
    """Reconstruct images and write them in their order; a batch of them is in memory, all for a picture.

    A picture has the images above their reconstructions. A reconstruction is the likelihood's mean, given the mean of
    every posterior or, with a seed, latents drawn from it, where the noise of an image depends on the seed and its
    index. Raises UnusableImages, after all files were read, for those that cannot be used, and Diverged if a
    reconstruction is not finite; otherwise as `ImageOutput.check` and `FinishedRun.model` do.
    """
    spec = finished.program.spec
    output.check(spec, replace=replace)
    evaluator = finished.evaluator_of(given.images)
    pairs = reconstructions(finished.model(weights), evaluator, fixed_batch_size(finished.program), seed)

    with image_bar("reconstructions", len(given)) as advance:
        if output.kind == "picture":
            rows: list[tuple[Tensor, Tensor]] = []
            for pair in pairs:
                rows.append(pair)
                advance(len(pair[0]))
            originals, means = (torch.cat(parts) for parts in zip(*rows, strict=True))
            with refusals_explained(output.path, ANOTHER_FILE):
                save_reconstructions(output.path, originals, means, spec, evaluator.preparation)
            return

        with output.opened(spec, len(given), given.names) as write:
            for _, means in pairs:
                write(values_of_targets(means, spec, evaluator.preparation))
                advance(len(means))


@torch.no_grad()
def reconstructions(
    model: HierarchicalVAE, evaluator: Evaluator, batch_size: int, seed: int | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the targets and the reconstructions of all images in order, both [n, H, W, C] on the CPU.

    Every batch is computed with `batch_size` images: the free rows of the last one repeat an image. Raises as
    `write_reconstructions` does.
    """
    count = len(evaluator.images)
    problems = Problems()
    for start in range(0, count, batch_size):
        members = range(start, min(start + batch_size, count))
        batch = [*members, *[start] * (batch_size - len(members))]
        try:
            x, target = evaluator.prepared(batch)
        except UnusableImages as error:
            problems.merge(error)
        if problems:  # the other files are only read, so that one message names all that cannot be used
            continue

        mean = model.likelihood.mean(model.decode(model.latents(x, noise=_noise(evaluator, batch, seed))))
        if not mean.isfinite().all():
            found = f"reconstructions that are not finite (image {start} or a later one)"
            raise not_finite(f"the model of the run computes {found}")
        yield target[: len(members)].cpu(), mean[: len(members)].cpu()
    problems.raise_any()


def _noise(evaluator: Evaluator, indices: Sequence[int], seed: int | None) -> Noise:
    """The noise of images: drawn with a seed, or 0, with which a latent is the mean of its posterior."""
    if seed is not None:
        return evaluator.noise_for("reconstruct", indices, seed)
    device, dtype = evaluator.processes.device, evaluator.dtype
    return lambda _, shape: torch.zeros(shape, device=device, dtype=dtype)
