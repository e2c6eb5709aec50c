"""`train { }` of the resolved spec: the training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir import memory
from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl.ir.kinds import (
    ByResolution,
    ByWeightName,
    Choice,
    Either,
    Flag,
    Key,
    Number,
    Optional,
    OrCall,
    Pair,
    Several,
    Steps,
    StepsOrMinutes,
    WeightName,
    Whole,
)
from hvaedsl.ir.pass_names import PASSES, Pass
from hvaedsl.ir.policies import ADAPTIVE, ROLLBACK, AdaptiveThreshold, Rollback
from hvaedsl.ir.section import Section, at_resolution

LearningRateSchedule = Literal["constant", "cosine", "step"]
Precision = Literal["float32", "tf32", "bfloat16"]

_WEIGHT = Number(minimum=0, is_float32=True)


class Epochs(Record):
    """A number of epochs, the length of a training whose steps depend on the number of images."""

    count: int

    def __str__(self) -> str:
        """The number in the language."""
        return f"{self.count} epochs"

    def steps(self, training_images: int, images_per_step: int) -> int:
        """Steps that draw every training image this often, rounded up."""
        return -(-self.count * training_images // images_per_step)


class Minutes(Record):
    """A number of minutes, of a key that also takes steps."""

    count: int

    def __str__(self) -> str:
        """The number in the language."""
        return f"{self.count} minutes"

    @property
    def seconds(self) -> int:
        """The time in seconds."""
        return 60 * self.count


class KLSpec(Section):
    """`train { kl { } }`: the KL term of the training objective. Evaluation always uses the whole bound."""

    weight: Annotated[
        float | Mapping[int, float],
        Key(Either(_WEIGHT, ByResolution(_WEIGHT)), "factor on the KL of each layer in the objective (beta)"),
    ] = 1.0
    warmup_steps: Annotated[int, Key(Whole(0), "steps over which the weight of the KL rises from 0 to `weight`")] = 0
    free_nats: Annotated[
        float,
        Key(
            Number(minimum=0, is_float32=True), "nats per layer and image below which the KL is not reduced (free bits)"
        ),
    ] = 0.0
    sampled_layers: Annotated[
        int | None,
        Key(Optional(Whole(1)), "layers whose KL is summed in a step, scaled to all layers; none sums every layer"),
    ] = None

    def weight_at(self, resolution: int) -> float:
        """The factor on the KL of the layers at a resolution."""
        return at_resolution(self.weight, resolution)


class TrainSpec(Section):
    """`train { }`: the training run."""

    steps: Annotated[
        int | Epochs | None, Key(Steps(), "optimizer steps, or epochs", required="to train", example="100k")
    ] = None
    batch_size: Annotated[int | None, Key(Whole(1), "images per step", required="to train", example="16")] = None
    micro_batch: Annotated[
        int | None,
        Key(Optional(Whole(1)), "images of one forward pass on one process; none takes as many as fit the device"),
    ] = None
    learning_rate: Annotated[
        float | None,
        Key(Number(above=0, is_float32=True), "AdamW's learning rate", required="to train", example="2e-4"),
    ] = None
    lr_warmup_steps: Annotated[int, Key(Whole(0), "steps of linear warmup")] = 100
    lr_schedule: Annotated[
        LearningRateSchedule, Key(Choice(("constant", "cosine", "step")), "the learning rate after the warmup")
    ] = "constant"
    weight_decay: Annotated[
        float, Key(Number(minimum=0, is_float32=True), "AdamW's weight decay, on all parameters")
    ] = 0.01
    betas: Annotated[tuple[float, float], Key(Pair(Number(minimum=0, below=1)), "AdamW's betas")] = (0.9, 0.9)
    clip_norm: Annotated[float | None, Key(Optional(Number(above=0)), "the norm that gradients are clipped to")] = 200.0
    skip_above: Annotated[
        float | AdaptiveThreshold | None,
        Key(
            Optional(OrCall(Number(above=0), ADAPTIVE)),
            "gradient norm from which an update is skipped; adaptive(quantile, window) follows recent norms",
        ),
    ] = None
    on_spike: Annotated[
        Literal["stop"] | Rollback,
        Key(
            OrCall(Choice(("stop",)), ROLLBACK),
            "what many consecutive skipped updates lead to: the end of the run, or a return to a checkpoint",
        ),
    ] = "stop"
    freeze: Annotated[tuple[str, ...] | None, Key(Optional(Several(WeightName())), "weights that are not trained")] = (
        None
    )
    rates: Annotated[
        Mapping[str, float],
        Key(
            ByWeightName(
                Number(above=0, is_float32=True, instead_of_zero="`train.freeze` names weights that are not trained")
            ),
            "factors on the learning rate, by the name of weights; the longest wins",
        ),
    ] = Field(default_factory=dict)
    ema_decay: Annotated[float, Key(Number(minimum=0, below=1), "decay of the averaged weights")] = 0.999
    precision: Annotated[Precision, Key(Choice(("float32", "tf32", "bfloat16")), "arithmetic of the forward pass")] = (
        "float32"
    )
    recompute_every: Annotated[
        int | None, Key(Optional(Whole(1)), "keep activations every this many blocks, and recompute those between")
    ] = None
    passes: Annotated[
        tuple[Pass, ...] | None,
        Key(Optional(Several(Choice(PASSES))), "how the model is computed faster, with the same numbers to rounding"),
    ] = PASSES
    memory_format: Annotated[
        Literal["auto", "contiguous", "channels_last"],
        Key(Choice(("auto", "contiguous", "channels_last")), "the order in which images of channels are stored"),
    ] = "auto"
    compile: Annotated[
        Literal["none", "blocks"],
        Key(Choice(("none", "blocks")), "the part of a training step that torch compiles"),
    ] = "none"
    gpu_memory: Annotated[
        float | None,
        Key(Optional(Number(above=0)), "memory of the GPU in GiB; lint reports training that does not fit"),
    ] = None
    deterministic: Annotated[
        bool, Key(Flag(), "only operations of a GPU that give the same bits each time, which may be slower")
    ] = False
    seed: Annotated[int, Key(Whole(0), "seed of weights, order, noise and binarization")] = 0
    eval_every: Annotated[int, Key(Whole(1), "steps between evaluations")] = 1000
    save_every: Annotated[int | Minutes, Key(StepsOrMinutes(), "steps, or minutes, between checkpoints")] = 1000
    keep_last: Annotated[int, Key(Whole(1), "checkpoints that are kept, beside the best one")] = 3
    keep_every: Annotated[
        int | None, Key(Optional(Whole(1)), "steps between checkpoints that are saved and kept for good")
    ] = None
    stop_after: Annotated[
        int | None,
        Key(Optional(Whole(1)), "evaluations without a lower validation bound after which training stops"),
    ] = None
    kl: KLSpec = KLSpec.model_construct()
    augment: AugmentSpec = AugmentSpec.model_construct()

    @property
    def images_at_once(self) -> int | None:
        """The most images of a forward pass: `micro_batch`, or the whole batch; None without a batch size."""
        return self.batch_size if self.micro_batch is None else self.micro_batch

    @property
    def activation_precision(self) -> memory.Precision:
        """The type of the activations, by which their memory is counted."""
        return "bfloat16" if self.precision == "bfloat16" else "float32"


class TrainingSpec(TrainSpec):
    """A complete `train { }`, the result of `Program.training()`."""

    steps: int | Epochs
    batch_size: int
    learning_rate: float

    def for_run(self, training_images: int) -> RunTraining:
        """The training of a run on this many images, with epochs as steps."""
        steps = self.steps
        if isinstance(steps, Epochs):
            steps = steps.steps(training_images, self.batch_size)
        return RunTraining.model_construct(**{**dict(self), "steps": steps})


class RunTraining(TrainingSpec):
    """A complete `train { }` whose length is a number of steps."""

    steps: int
