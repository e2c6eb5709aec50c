"""Batches of one fixed size, in which an image is always computed in the same way.

The float32 result of an image differs in its last bits with the number of images in its batch, and may differ with its
row. An image is therefore computed in a batch whose size is a function of the spec alone and in a row that is a
function of its index alone, however many images are requested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import Diverged
from hvaedsl.lowering.module import HierarchicalVAE, Temperature
from hvaedsl.program import Program
from hvaedsl_runtime.data import AnyPreparation
from hvaedsl_runtime.heartbeat import beat
from hvaedsl_runtime.noise import image_noise, seeded_generator

MAXIMUM_IMAGES = 16
ACTIVATION_BYTES = 2**30


def fixed_batch_size(program: Program) -> int:
    """The number of images in a batch of this program: at most 16, with activations of less than 1 GiB if possible.

    The activations are counted in float32, whatever the precision of a run. One image is the least.
    """
    per_image = max(1, program.inference_bytes)
    return max(1, min(MAXIMUM_IMAGES, (ACTIVATION_BYTES - 1) // per_image))


def compute_by_image(
    indices: Sequence[int],
    size: int,
    compute: Callable[[list[int]], tuple[Tensor, ...]],
    advance: Callable[[int], None] | None = None,
) -> tuple[Tensor, ...]:
    """Compute tensors of images in batches of `size`, and return them on the CPU in the order of `indices`.

    `compute` maps a batch of indices to tensors [size, ...], of which row i belongs to the i-th index. `advance` is
    called after each batch with the number of images in it.
    """
    places, batches = place_in_batches(indices, size)
    requested = Counter(place // size for place in places)

    results = []
    for number, batch in enumerate(batches):
        beat("computing pictures")
        results.append([tensor.cpu() for tensor in compute(batch)])
        if advance is not None:
            advance(requested[number])

    return tuple(torch.cat(parts)[places] for parts in zip(*results, strict=True))


def place_in_batches(indices: Sequence[int], size: int) -> tuple[list[int], list[list[int]]]:
    """Put each index into its row: the places of the indices in the batches, put end to end, and the batches.

    The free rows of a batch repeat one of its indices.
    """
    batches: list[dict[int, int]] = []
    places = []
    taken = [0] * size

    for index in indices:
        row = row_of(index, size)
        number = taken[row]
        taken[row] += 1
        if number == len(batches):
            batches.append({})
        batches[number][row] = index
        places.append(number * size + row)

    return places, [[rows.get(row, next(iter(rows.values()))) for row in range(size)] for rows in batches]


def row_of(index: int, size: int) -> int:
    """The row of an image in its batch. Consecutive indices fill all rows, and so do indices `size` apart."""
    return (index + index // size) % size


def not_finite(message: str, asked: str = "") -> Diverged:
    """The error for values of a trained model that are not finite.

    `asked` is the temperature as the user wrote it, such as `--temperature 2`: the likelier cause, and thus the first.
    """
    help_ = "train again into another folder with a lower train.learning_rate"
    if asked:
        return Diverged(f"at {asked}, {message}", help=f"lower {asked.split()[0]}; if the training diverged, {help_}")
    return Diverged(message, help=f"the training diverged: {help_}")


@dataclass(frozen=True)
class PriorSampler:
    """Draws images from a model's prior: image i is a function of (seed, i), the weights and the temperature.

    Images 0 to `batch_size` - 1 are one batch, and so on; a last batch is computed with all its images. With
    `only_finite`, Diverged is raised for a model whose states are NaN or infinite; its message names the temperature
    that the user asked for, if `asked` has it. Real values are in the unit of the file if there is a `preparation`.
    """

    model: HierarchicalVAE
    batch_size: int
    seed: int
    device: torch.device
    dtype: torch.dtype
    only_finite: bool = False
    asked: str = ""
    preparation: AnyPreparation | None = None

    def states(self, count: int, temperature: Temperature) -> Iterator[tuple[range, Tensor]]:
        """The states for the likelihood, [batch_size, width, H, W], of each batch and the images that are requested.

        The first rows of a state belong to these images.
        """
        for start in range(0, count, self.batch_size):
            beat("drawing samples")
            drawn = range(start, start + self.batch_size)
            noise = image_noise(self.seed, "sample", drawn, self.model.plan.latent_shapes, self.device, self.dtype)
            state = self.model.decode_prior(self.batch_size, temperature=temperature, noise=noise)
            if self.only_finite and not state.isfinite().all():
                samples = f"samples that are not finite (seed {self.seed}, from {start})"
                raise not_finite(f"the model of the run computes {samples}", self.asked)
            yield drawn[: count - start], state

    def pixels(self, images: range, state: Tensor) -> Tensor:
        """Draw images from the likelihood of their state, [len(images), H, W, C] on the CPU.

        Image by image, each with a generator of its own.
        """
        drawn = []
        for row, image in enumerate(images):
            generator = seeded_generator(self.device, self.seed, "likelihood", image)
            drawn.append(self.model.likelihood.sample(state[row : row + 1], generator))
        samples = torch.cat(drawn).cpu()
        return samples if self.preparation is None else self.preparation.file_samples(samples)

    @torch.no_grad()
    def batches(self, count: int, temperature: Temperature) -> Iterator[Tensor]:
        """Draw images 0 to `count` - 1 in order, [n, H, W, C] on the CPU, with n at most `batch_size`."""
        for images, state in self.states(count, temperature):
            yield self.pixels(images, state)

    def __call__(self, count: int, temperature: Temperature) -> Tensor:
        """Draw images 0 to `count` - 1, [count, H, W, C] on the CPU: uint8, int32 above 256 levels, or real values."""
        return torch.cat(list(self.batches(count, temperature)))
