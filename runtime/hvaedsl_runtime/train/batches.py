"""The training batches: the images of each step, read one step ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import AnyPreparation, Augmentation, ImageSet, epochs_of, index_stream
from hvaedsl_runtime.data.input_constants import InputConstants
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.noise import StepNoise


class TrainingBatches:
    """The batches of one process. The images of a step are a function of (seed, step) alone.

    The global batch of world_size * batch_size images is split in rank order. A thread reads the images of the next
    step while the current one is computed.
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
        augmentation: Augmentation | None = None,
    ) -> None:
        self.images = images
        self.augmentation = augmentation
        self.preparation = preparation
        self.seed = seed
        self.batch_size = batch_size
        self.processes = processes
        self.dtype = dtype
        # The memory of mps is that of the CPU. From memory that is not pinned, a copy must not be asynchronous.
        self._pins = processes.device.type not in ("cpu", "mps")
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="images")
        self._ahead: tuple[int, Future[Tensor]] | None = None

    @property
    def global_batch_size(self) -> int:
        """Images per step, over all processes."""
        return self.batch_size * self.processes.world_size

    def __call__(self, step: int) -> tuple[Tensor, Tensor, StepNoise]:
        """Images of this rank for `step` (0-based) as x and target, both [B, H, W, C], and the step's noise.

        Raises InvalidData for an image that cannot be read or augmented.
        """
        pixels = self._reading(step).result()
        self._ahead = (step + 1, self._reader.submit(self._read, step + 1))

        device = self.processes.device
        noise = StepNoise(self.seed, step, self.processes.rank, self.processes.world_size, device, self.dtype)
        uniform = noise.uniform(pixels.shape) if self.preparation.needs_uniform else None
        x, target = self.preparation(pixels.to(device, non_blocking=self._pins), uniform=uniform, dtype=self.dtype)
        return x, target, noise

    def failure(self, step: int) -> RunError | None:
        """Wait until the images of `step` are read, and return the error if they cannot be."""
        error = self._reading(step).exception()
        if error is None or isinstance(error, RunError):
            return error
        raise error

    def close(self) -> None:
        """Stop the reading thread."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _reading(self, step: int) -> Future[Tensor]:
        """The images of a step, which the thread reads; it starts here if the step before was not taken."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._reader.submit(self._read, step))
        return self._ahead[1]

    def _read(self, step: int) -> Tensor:
        """The images of this rank for a step, as `tensor` makes them; pinned for a GPU with its own memory."""
        start = step * self.global_batch_size + self.processes.rank * self.batch_size
        indices = index_stream(len(self.images), self.seed, start, self.batch_size)
        if self.augmentation is None:
            found = self.images.batch(indices)
        else:
            found = self.augmentation(indices, epochs_of(len(self.images), start, self.batch_size))
        pixels = InputConstants.tensor(found)
        return pixels.pin_memory() if self._pins else pixels
