"""The training batches: the images of each step, read one step ahead, and computed in micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import RunError
from hvaedsl.lowering.module import Noise
from hvaedsl_runtime.data import AnyPreparation, Augmentation, ImageSet, epochs_of, index_stream
from hvaedsl_runtime.data.input_constants import InputConstants
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.noise import LatentShape, StepNoise


class MicroBatch(NamedTuple):
    """The images of one forward pass: x and target, both [B, H, W, C], and their noise."""

    x: Tensor
    target: Tensor
    noise: Noise


# The images of a step on this process, in micro-batches of the given size; it may be called again with another.
StepImages = Callable[[int], Iterator[MicroBatch]]


class TrainingBatches:
    """The batches of one process. The images of a batch are a function of the seed and its number (0-based) alone.

    A batch has `batch_size` images, of which every process computes an equal share, in rank order. A thread reads the
    images of the next batch while the current one is computed. `layers` are the shapes of the model's latents.
    """

    def __init__(
        self,
        images: ImageSet,
        preparation: AnyPreparation,
        *,
        seed: int,
        batch_size: int,
        processes: Processes,
        dtype: torch.dtype,
        layers: Sequence[LatentShape] = (),
        augmentation: Augmentation | None = None,
    ) -> None:
        self.images = images
        self.augmentation = augmentation
        self.preparation = preparation
        self.seed = seed
        self.batch_size = batch_size
        self.share = batch_size // processes.world_size
        self.processes = processes
        self.dtype = dtype
        self.layers = layers
        # The memory of mps is that of the CPU. From memory that is not pinned, a copy must not be asynchronous.
        self._pins = processes.device.type not in ("cpu", "mps")
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="images")
        self._ahead: tuple[int, Future[Tensor]] | None = None

    def __call__(self, batch: int) -> StepImages:
        """The images of this rank in a batch.

        Raises InvalidData for an image that cannot be read or augmented.
        """
        pixels = self._reading(batch).result()
        self._ahead = (batch + 1, self._reader.submit(self._read, batch + 1))
        return partial(self._micro_batches, batch, pixels)

    def indices(self, batch: int) -> list[int]:
        """The indices in the training set of a batch's images, those of all processes."""
        return [
            int(index) for index in index_stream(len(self.images), self.seed, batch * self.batch_size, self.batch_size)
        ]

    def _micro_batches(self, batch: int, pixels: Tensor, size: int) -> Iterator[MicroBatch]:
        """The images of this rank in a batch, `size` at a time, on the device."""
        device, first = self.processes.device, self.processes.rank * self.share
        for start in range(0, self.share, size):
            images = range(first + start, first + start + size)
            noise = StepNoise(self.seed, batch, images, device, self.dtype)
            part = pixels[start : start + size]
            uniform = noise.uniform(part.shape) if self.preparation.needs_uniform else None
            part = part.to(device, non_blocking=self._pins)
            x, target = self.preparation(part, uniform=uniform, dtype=self.dtype)
            yield MicroBatch(x, target, noise.normals(self.layers))

    def failure(self, batch: int) -> RunError | None:
        """Wait until the images of a batch are read, and return the error if they cannot be."""
        error = self._reading(batch).exception()
        if error is None or isinstance(error, RunError):
            return error
        raise error

    def close(self) -> None:
        """Stop the reading thread."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _reading(self, batch: int) -> Future[Tensor]:
        """The images of a batch, which the thread reads; it starts here if the one before was not computed."""
        if self._ahead is None or self._ahead[0] != batch:
            self._ahead = (batch, self._reader.submit(self._read, batch))
        return self._ahead[1]

    def _read(self, batch: int) -> Tensor:
        """The images of this rank in a batch, as `tensor` makes them; pinned for a GPU with its own memory."""
        start = batch * self.batch_size + self.processes.rank * self.share
        indices = index_stream(len(self.images), self.seed, start, self.share)
        if self.augmentation is None:
            found = self.images.batch(indices)
        else:
            found = self.augmentation(indices, epochs_of(len(self.images), start, self.share))
        pixels = InputConstants.tensor(found)
        return pixels.pin_memory() if self._pins else pixels
