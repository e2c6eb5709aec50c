"""HV605: a training that does not fit the GPU."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity

_RUN = "steps = 3000  learning_rate = 1e-3  ema_decay = 0.995"


class TrainingMemory(Diagnostic):
    """HV605."""

    code = "HV605"
    severity = Severity.ADVICE
    title = "training takes about {needed}, and `gpu_memory` is {available:g} GiB"
    label = "a batch of {batch:,} keeps {kept} of activations"
    help = "{hint}"
    why = (
        "A training step holds the weights, their gradients, AdamW's two moments and the averaged weights, all in "
        "float32: 20 bytes a parameter, and 2 more for the copy that bfloat16 computes with. To these come the "
        "activations that wait for the backward pass, which grow with the batch; with `recompute_every`, those of the "
        "checkpoints and of one segment. The convolutions' workspace, the allocator's gaps and, of several processes, "
        "the gradients' buckets are not counted: what is proposed leaves a tenth of the activations' room for them."
    )
    rests_on = (
        "Computed here; tests hold the count against what torch saves. Activation checkpointing: Falck, Williams et "
        "al. 2022, Appendix F."
    )
    configuration = "asked where `train.gpu_memory` and `train.batch_size` are written"
    bad = spec(decoder="4x1, 8m4, 8x40", rest=f"train {{ batch_size = 2000  gpu_memory = 4  {_RUN} }}")
    good = spec(
        decoder="4x1, 8m4, 8x40", rest=f"train {{ batch_size = 2000  gpu_memory = 4  recompute_every = 6  {_RUN} }}"
    )

    available: float  # GiB
    activations: float  # GiB
    one_image: float  # GiB of its activations, with the best checkpoints
    batch: int
    weights: float  # GiB: all that does not grow with the batch
    fitting_batch: int  # the largest that fits as it is; 0 where none does
    fitting_every: int | None  # checkpoints with which this batch fits
    fitting_batch_recomputed: int  # the largest that fits with the best checkpoints
    best_every: int

    @property
    def needed(self) -> str:
        """All of it."""
        return _gib(self.weights + self.activations)

    @property
    def kept(self) -> str:
        """What grows with the batch."""
        return _gib(self.activations)

    @property
    def hint(self) -> str:
        """A batch, or checkpoints, or both, that fit."""
        ways = []
        if self.fitting_every is not None:
            ways.append(f"`recompute_every = {self.fitting_every}`, for about a third more time")
        if self.fitting_batch:
            ways.append(f"`batch_size = {self.fitting_batch}`")
        elif self.fitting_every is None and self.fitting_batch_recomputed:
            ways.append(f"`batch_size = {self.fitting_batch_recomputed}` and `recompute_every = {self.best_every}`")
        if ways:
            return f"what fits is {', or '.join(ways)}"
        image = f" and one image {_gib(self.one_image)}" if self.weights < self.available else ""
        return f"nothing fits: the weights and what the optimiser keeps of them take {_gib(self.weights)}{image}"


def _gib(number: float) -> str:
    return f"{number:,.0f} GiB" if number >= 100 else f"{number:.3g} GiB"


KINDS = (TrainingMemory,)
