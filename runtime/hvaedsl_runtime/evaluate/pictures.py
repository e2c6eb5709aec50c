"""PNG pictures of samples from the prior, and of images above their reconstructions.

Real values, and levels if there are more than 256, are shown in the range of the run's preparation, which the title of
a picture states.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from hvaedsl.ir.spec import Spec
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.data import AnyPreparation, RealPreparation
from hvaedsl_runtime.data.levels import EIGHT_BIT_LEVELS
from hvaedsl_runtime.disk.whole_files import put_in_place
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.fixed_batches import compute_by_image

GRID_WIDTH_PIXELS = 512
GRID_GAP_PIXELS = 2
# Images and their reconstructions in one pair of rows.
COLUMNS = 16
# The lines above a grid that say which values are shown: the height of a line, the width of a letter, the margin.
TITLE_LINE_PIXELS = 12
TITLE_LETTER_PIXELS = 6
TITLE_MARGIN_PIXELS = 4


@torch.no_grad()
def reconstruct(
    model: HierarchicalVAE, evaluator: Evaluator, indices: Sequence[int], batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return the targets of images and their reconstructions, both [B, H, W, C] on the CPU.

    A reconstruction is the likelihood's mean given latents from the posterior. `indices` are indices into the split;
    each image is computed in a batch of `batch_size`, as `compute_by_image` does.
    """

    def compute(batch: list[int]) -> tuple[Tensor, Tensor]:
        x, target = evaluator.prepared(batch)
        latents = model.latents(x, noise=evaluator.noise(batch))
        return target, model.likelihood.mean(model.decode(latents))

    target, mean = compute_by_image(indices, batch_size, compute)
    return target, mean


def scaled_targets(targets: Tensor, spec: Spec) -> Tensor:
    """Scale targets, [N, H, W, C] in [-1, 1] or {0, 1}, to [0, 1]; float32 or wider, on the CPU."""
    targets = targets.to("cpu", torch.promote_types(targets.dtype, torch.float32))
    return targets if spec.data.binarize != "none" else (targets + 1) / 2


def samples_for_display(samples: Tensor, spec: Spec, preparation: AnyPreparation | None = None) -> Tensor:
    """Scale samples [N, H, W, C] to [0, 1]; the result has the shown channels, one or three.

    With a preparation, values are clamped to the range that it shows; real values are in the unit of the file.
    """
    ranges = None if preparation is None else preparation.shown_ranges(spec.shown_channels)
    chosen = samples[..., spec.shown_channels]
    return chosen.float() / brightest_of(spec) if ranges is None else _within(chosen, ranges)


def targets_for_display(targets: Tensor, spec: Spec, preparation: AnyPreparation | None = None) -> Tensor:
    """Scale targets [N, H, W, C] to [0, 1], float32 on the CPU; the result has the shown channels, one or three.

    With a preparation, values are clamped to the range that it shows.
    """
    ranges = None if preparation is None else preparation.shown_ranges(spec.shown_channels)
    if preparation is None or ranges is None:
        return scaled_targets(targets[..., spec.shown_channels], spec).float()
    return _within(preparation.file_values(targets)[..., spec.shown_channels], ranges)


def _within(values: Tensor, ranges: Sequence[tuple[float, float]]) -> Tensor:
    """Scale the values of each channel so that its range is [0, 1], and clamp them to it; float32."""
    low, high = (torch.tensor(ends, dtype=torch.float64) for ends in zip(*ranges, strict=True))
    return ((values.double() - low) / (high - low)).clamp(0, 1).float()


def shown_values(spec: Spec, preparation: AnyPreparation) -> str:
    """Say which values pictures show, in a line; empty if it is all levels."""
    channels = spec.shown_channels
    ranges = preparation.shown_ranges(channels)
    if ranges is None:
        return ""
    what = "values" if spec.data.is_real else "levels"
    texts = [f"{low:.4g} to {high:.4g}" for low, high in ranges]
    if spec.data.channels == 1 or len(set(texts)) == 1 < len(texts):
        return f"{what} {texts[0]}"
    return ", ".join(f"channel {channel}: {what} {text}" for channel, text in zip(channels, texts, strict=True))


def shades(images: Tensor) -> Tensor:
    """Round images in [0, 1] to shades from 0 to 255, uint8 of the same shape on the CPU."""
    return images.mul(255).add(0.5).clamp(0, 255).to("cpu", torch.uint8)


def values_of_targets(targets: Tensor, spec: Spec, preparation: AnyPreparation) -> Tensor:
    """Images on the scale of the targets, [N, H, W, C], on that of samples: levels, or values of the file's unit."""
    if isinstance(preparation, RealPreparation):
        return preparation.file_values(targets)
    return levels_of_targets(targets, spec)


def levels_of_targets(targets: Tensor, spec: Spec) -> Tensor:
    """Round images on the scale of the targets, [N, H, W, C], to levels; or to 0 to 255, for binary images.

    They are on the CPU and on the scale of samples: uint8, or int32 if there are more than 256 levels.
    """
    brightest = brightest_of(spec)
    scaled = scaled_targets(targets, spec) * brightest
    return scaled.add(0.5).clamp(0, brightest).to(torch.uint8 if brightest < EIGHT_BIT_LEVELS else torch.int32)


def brightest_of(spec: Spec) -> int:
    """The highest value of a sample: the last level, or 255 for binary images."""
    return EIGHT_BIT_LEVELS - 1 if spec.data.binarize != "none" else spec.data.levels - 1


def save_samples(path: Path, samples: Tensor, spec: Spec, preparation: AnyPreparation | None = None) -> None:
    """Save samples [N, H, W, C], levels or real values in the unit of the file, as a square grid. Raises WriteError."""
    title = "" if preparation is None else shown_values(spec, preparation)
    shown = samples_for_display(samples, spec, preparation)
    save_grid(path, shown, columns=math.ceil(math.sqrt(len(samples))), title=title)


def save_reconstructions(
    path: Path, originals: Tensor, reconstructions: Tensor, spec: Spec, preparation: AnyPreparation | None = None
) -> None:
    """Save images and their reconstructions below, both [N, H, W, C] on the scale of the targets.

    Up to 16 images are one row above another; more of them are several such pairs of rows. Raises WriteError.
    """
    count = len(originals)
    columns = count if count <= COLUMNS else max(COLUMNS, math.ceil(math.sqrt(2 * count)))
    free = -count % columns  # cells of the last pair of rows, which stay black
    title = "" if preparation is None else shown_values(spec, preparation)
    shown = (targets_for_display(images, spec, preparation) for images in (originals, reconstructions))
    rows = [
        functional.pad(images, (0, 0, 0, 0, 0, 0, 0, free)).reshape(-1, columns, *images.shape[1:]) for images in shown
    ]
    save_grid(path, torch.stack(rows, dim=1).flatten(0, 2), columns, title)


def save_grid(path: Path, images: Tensor, columns: int, title: str = "") -> None:
    """Save images, float [N, H, W, C] in [0, 1], as an RGB picture in PNG format, at least 512 pixels wide.

    A title is text above the grid.

    Small images are enlarged: each pixel becomes a square. The values and the gaps between images are those of
    `torchvision.utils.make_grid` and `save_image`, whose import takes longer than that of torch. Raises WriteError.
    """
    values = shades(images)
    factor = math.ceil(GRID_WIDTH_PIXELS / (columns * images.shape[2]))
    enlarged = values.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    picture = image_grid(enlarged, columns).expand(-1, -1, 3)

    with put_in_place(path) as temporary:
        _titled(Image.fromarray(picture.numpy()), title).save(temporary)


def _titled(picture: Image.Image, title: str) -> Image.Image:
    """The picture with lines of white text above it; the same picture without a title."""
    if not title:
        return picture
    lines = textwrap.wrap(title, (picture.width - 2 * TITLE_MARGIN_PIXELS) // TITLE_LETTER_PIXELS)
    height = TITLE_LINE_PIXELS * len(lines) + TITLE_MARGIN_PIXELS
    found = Image.new("RGB", (picture.width, picture.height + height))
    found.paste(picture, (0, height))

    # The bitmap font is part of Pillow, and the same on every machine.
    draw, font = ImageDraw.Draw(found), ImageFont.load_default_imagefont()
    for number, line in enumerate(lines):
        draw.text((TITLE_MARGIN_PIXELS, 2 + TITLE_LINE_PIXELS * number), line, fill="white", font=font)
    return found


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Arrange images [N, H, W, C] row by row in one image [rows * (H + 2) + 2, columns * (W + 2) + 2, C].

    Gaps and cells without an image are 0. A single image has no border.
    """
    count = len(images)
    if count == 1:
        return images[0]
    columns = min(columns, count)
    rows = math.ceil(count / columns)

    # Each cell has its gap above and to the left; the gaps below and to the right of the grid are added last.
    gap = GRID_GAP_PIXELS
    cells = functional.pad(images, (0, 0, gap, 0, gap, 0, 0, rows * columns - count))
    grid = cells.reshape(rows, columns, *cells.shape[1:]).transpose(1, 2).flatten(2, 3).flatten(0, 1)
    return functional.pad(grid, (0, 0, 0, gap, 0, gap))
