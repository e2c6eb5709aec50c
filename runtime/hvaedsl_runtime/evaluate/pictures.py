"""Pictures for people: samples from the prior, and images beside their reconstructions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import make_grid, save_image

from hvaedsl.ir.spec import Spec
from hvaedsl.lowering.module import HierarchicalVAE, Temperature
from hvaedsl_runtime.disk.whole_files import put_in_place
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.noise import ImageNoise, seeded_generator

GRID_WIDTH_PIXELS = 512


@torch.no_grad()
def draw_samples(
    model: HierarchicalVAE,
    count: int,
    *,
    batch_size: int,
    temperature: Temperature,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """`count` images from the prior, uint8 [count, H, W, C] as the model's `sample` gives them, on the CPU.

    They depend on the seed, and through the likelihood's draws on the batch size.
    """
    generator = seeded_generator(device, seed, "likelihood")
    batches = []
    for start in range(0, count, batch_size):
        indices = range(start, min(start + batch_size, count))
        noise = ImageNoise(seed, "sample", indices, device, dtype)
        batches.append(model.sample(len(indices), temperature=temperature, noise=noise, generator=generator).cpu())
    return torch.cat(batches)


@torch.no_grad()
def reconstruct(model: HierarchicalVAE, evaluator: Evaluator, indices: list[int]) -> tuple[Tensor, Tensor]:
    """Targets of a split's images and the likelihood's mean given their posterior latents, both [B, H, W, C]."""
    x, target = evaluator.prepared(indices)
    latents = model.latents(x, noise=evaluator.noise(indices))
    return target, model.likelihood.mean(model.decode(latents))


def samples_for_display(samples: Tensor, spec: Spec) -> Tensor:
    """Samples, uint8 [N, H, W, C], as float in [0, 1]: binary images hold 0 and 255, the others levels from 0."""
    brightest = 255 if spec.data.binarize != "none" else spec.data.levels - 1
    return samples.float() / brightest


def targets_for_display(targets: Tensor, spec: Spec) -> Tensor:
    """Images on the scale of the targets, [N, H, W, C] in [-1, 1] or {0, 1}, as float in [0, 1]."""
    targets = targets.float().cpu()
    return targets if spec.data.binarize != "none" else (targets + 1) / 2


def save_samples(path: Path, samples: Tensor, spec: Spec) -> None:
    """A square grid of samples, uint8 [N, H, W, C]."""
    save_grid(path, samples_for_display(samples, spec), columns=math.ceil(math.sqrt(len(samples))))


def save_reconstructions(path: Path, originals: Tensor, reconstructions: Tensor, spec: Spec) -> None:
    """Two rows, both [N, H, W, C] on the scale of the targets: the images above, their reconstructions below."""
    rows: Sequence[Tensor] = (originals, reconstructions)
    save_grid(path, torch.cat([targets_for_display(row, spec) for row in rows]), columns=len(originals))


def save_grid(path: Path, images: Tensor, columns: int) -> None:
    """A PNG of images, float [N, H, W, C] in [0, 1], at least 512 pixels wide: a pixel becomes a square of them.

    Raises WriteError.
    """
    factor = math.ceil(GRID_WIDTH_PIXELS / (columns * images.shape[2]))
    enlarged = images.permute(0, 3, 1, 2).repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    with put_in_place(path) as temporary:
        save_image(make_grid(enlarged, nrow=columns), temporary)
