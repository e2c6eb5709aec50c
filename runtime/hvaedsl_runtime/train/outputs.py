"""The outputs of a run, during training and at its end: metrics, pictures, final results."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

import hvaedsl
from hvaedsl.ir.spec import Spec
from hvaedsl.ir.training import RunTraining
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.console import TrainingDisplay
from hvaedsl_runtime.data import ImageSet, Split
from hvaedsl_runtime.disk.metrics import LATENTS, SKIPPED, TRAIN_LINES_PER_RUN, MetricsLog
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator, LikelihoodBound
from hvaedsl_runtime.evaluate.fixed_batches import PriorSampler
from hvaedsl_runtime.evaluate.latent_use import layer_use
from hvaedsl_runtime.evaluate.pictures import reconstruct, save_reconstructions, save_samples
from hvaedsl_runtime.evaluate.results import WEIGHTS, Baseline, after_steps, baseline, results_table
from hvaedsl_runtime.evaluate.units import gives_of, recorded, reporting_unit
from hvaedsl_runtime.heartbeat import taking_long
from hvaedsl_runtime.train.compiling import computed_as_is
from hvaedsl_runtime.train.state import TrainState
from hvaedsl_runtime.train.step import StepResult
from hvaedsl_runtime.train.stopping import has_stopped
from hvaedsl_runtime.train.watch import WATCHED_IMAGES, CollapseWatch, event_of

RECONSTRUCTIONS = 8
# Images of a step that the log of a skipped update names.
EVENT_IMAGES = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutputs:
    """Evaluates a run's state, and writes. Only the first process has `metrics`, and only it writes and prints.

    `picture_batch` is the fixed number of images of a batch in which pictures are computed. All methods that write
    raise WriteError, and those that read images InvalidData.
    """

    state: TrainState
    spec: Spec
    training: RunTraining
    folder: RunFolder
    picture_batch: int
    images: Mapping[Split, ImageSet]
    processes: Processes
    display: TrainingDisplay
    metrics: MetricsLog | None
    watch: CollapseWatch = field(default_factory=CollapseWatch)

    def record_step(self, result: StepResult) -> None:
        """Show the step just taken and log it: every step of a run shorter than 20,000, at least 10,000 of a longer."""
        step, counters = self.state.step, self.state.counters
        unit, gives = reporting_unit(self.spec), gives_of(self.state.model)
        loss = unit.of(result.loss_nats_per_dim)
        self.display.step_done(step, loss, unit.label, result.gradient_norm, applied=result.applied)

        every = max(1, self.training.steps // TRAIN_LINES_PER_RUN)
        if self.metrics is None or (step % every and step != self.training.steps):
            return
        self.metrics.write(
            {
                "step": step,
                "split": "train",
                **recorded(gives),
                "loss_nats_per_dim": result.loss_nats_per_dim,
                "distortion_nats_per_dim": result.distortion_nats_per_dim,
                "rate_nats_per_dim": result.rate_nats_per_dim,
                unit.key: loss,
                "gradient_norm": result.gradient_norm,
                "learning_rate": result.learning_rate,
                "applied": result.applied,
                "skipped_updates": counters.skipped_updates,
                "wall_seconds": counters.wall_seconds,
            }
        )

    def record_skip(self, result: StepResult, images: Sequence[int]) -> None:
        """Log a skipped update: its norm and threshold, the processes that it came from, and the images of the step."""
        if self.metrics is None:
            return
        values: dict[str, float | Sequence[float]] = {"gradient_norm": result.gradient_norm, "ranks": [*result.ranks]}
        if result.threshold is not None:
            values["threshold"] = result.threshold
        self.metrics.note(self.state.step, SKIPPED, {**values, "images": [*images[:EVENT_IMAGES]]})

    def validate(self) -> dict[str, LikelihoodBound]:
        """Draw pictures, evaluate on the validation images if there are any, and return the bounds.

        The metrics come last: a resumed run that finds them does not repeat the evaluation.
        """
        step = self.state.step
        logger.info("evaluation after step %d", step)
        self.draw(f"step-{step:08d}")

        if "validation" not in self.images:
            return {}
        bounds = self.evaluate("validation")
        self.watch_latents()
        unit = reporting_unit(self.spec)
        figures = [f"{unit.of(bound.loss_nats_per_dim):.4f} {weights}" for weights, bound in bounds.items()]
        label = unit.label_of(gives_of(self.state.model))
        self.display.say(f"step {step}: validation {label}: {', '.join(figures)}")
        return bounds

    def watch_latents(self) -> None:
        """Measure the latents on some validation images; log them, and warn of layers that have collapsed."""
        with self.processes.failing_together():
            if self.metrics is None:
                return
            evaluator = self.evaluator("validation")
            count, size = min(WATCHED_IMAGES, len(evaluator.images)), evaluator.batch_size
            batches = (list(range(start, min(start + size, count))) for start in range(0, count, size))
            layers = layer_use(self.state.ema.model, evaluator, batches)
            self.metrics.note(self.state.step, LATENTS, event_of(layers))
            warning = self.watch(self.state.step, layers)
            if warning is not None:
                self.display.say(warning)

    def finish(self) -> dict[str, LikelihoodBound]:
        """Evaluate on the test images, draw the final pictures, write and print the summary, and return the bounds.

        Under `train.stop_after` the models have the weights with the lowest validation bound.
        """
        logger.info("final evaluation after step %d", self.state.step)
        bounds = self.evaluate("test")
        self.draw("final")
        if self.metrics is None:
            return bounds

        with taking_long("computing a baseline"):
            compared_with = baseline(self.spec, gives_of(self.state.model), self.images["train"], self.images["test"])
        self.metrics.sync()
        self.folder.write_json(self.folder.summary, self.summary(bounds, compared_with))

        step, skipped = self.state.step, self.state.counters.skipped_updates
        after = after_steps(self.evaluated_step, step)
        title = f"{self.spec.name}: {self.spec.data.dataset} test images {after}, seed {self.training.seed}"
        self.display.console.print(results_table(self.spec, title, bounds, compared_with), soft_wrap=False)
        sizes = ", ".join(f"{len(images)} {split}" for split, images in self.images.items())
        split = f"split seed {self.spec.data.split_seed}"
        self.display.say(f"images: {sizes} ({split}); updates skipped: {skipped} of {step}")
        self.display.say(f"written to {self.folder.path}")
        return bounds

    def evaluate(self, split: Split) -> dict[str, LikelihoodBound]:
        """The bound on a whole split for both kinds of weights; logged to the metrics."""
        evaluator = self.evaluator(split)
        bounds: dict[str, LikelihoodBound] = {}
        for weights, model in self.state.models.items():
            shown = len(range(self.processes.rank, len(evaluator.images), self.processes.world_size))
            title = f"{split}, {WEIGHTS[weights]}"
            with computed_as_is(self.training.compile), self.display.evaluating(title, shown) as advance:
                bounds[weights] = evaluator(model, advance)

        if self.metrics is not None:
            common = {"step": self.state.step, "split": split, "wall_seconds": self.state.counters.wall_seconds}
            self.metrics.write(*({**common, "weights": name, **bound.to_dict()} for name, bound in bounds.items()))
        return bounds

    def summary(self, bounds: Mapping[str, LikelihoodBound], compared_with: Baseline | None) -> dict[str, object]:
        """The content of summary.json."""
        known = {compared_with.model: compared_with.bits_per_dim} if compared_with is not None else {}
        baselines: dict[str, float | None] = {
            "histogram_baseline_bits_per_dim": known.get("histogram"),
            "logistic_baseline_bits_per_dim": known.get("logistic"),
        }
        if self.spec.data.is_real:
            normal = compared_with.nats_per_dim if compared_with is not None else None
            baselines = {"normal_baseline_density_nats_per_dim": normal}
        return {
            "name": self.spec.name,
            "dataset": self.spec.data.dataset,
            "unit": reporting_unit(self.spec).key,
            "test": {weights: bound.to_dict() for weights, bound in bounds.items()},
            **baselines,
            "images": {split: len(images) for split, images in self.images.items()},
            "steps": self.state.step,
            **self._stopping(),
            "skipped_updates": self.state.counters.skipped_updates,
            "wall_seconds": self.state.counters.wall_seconds,
            "seed": self.training.seed,
            "split_seed": self.spec.data.split_seed,
            "processes": self.processes.world_size,
            "device": self.processes.device.type,
            "parameters": sum(parameter.numel() for parameter in self.state.model.parameters()),
            "versions": {"hvaedsl": hvaedsl.__version__, "torch": torch.__version__},
        }

    @property
    def evaluated_step(self) -> int:
        """The step of the weights whose test results are those of the run."""
        stopping = self.state.stopping
        return self.state.step if stopping is None or not stopping.best_step else stopping.best_step

    def _stopping(self) -> dict[str, object]:
        """What summary.json says of stopping early."""
        stopping = self.state.stopping
        if stopping is None:
            return {}
        return {"best_step": self.evaluated_step, "stopped": has_stopped(stopping, self.training)}

    def draw(self, name: str) -> None:
        """Samples, and reconstructions of the first validation images (of test images if there are none)."""
        with self.processes.failing_together():
            if self.processes.is_first:
                self._draw(name)

    def _draw(self, name: str) -> None:
        model: HierarchicalVAE = self.state.ema.model
        self.processes.beat("drawing pictures")
        dtype = self.state.position.torch_dtype
        prepare = self.state.preparation
        draw = PriorSampler(
            model, self.picture_batch, self.training.seed, self.processes.device, dtype, preparation=prepare
        )
        samples = draw(self.spec.sample.count, self.spec.sample.temperature)
        save_samples(self.folder.picture("samples", name), samples, self.spec, prepare)

        evaluator = self.evaluator("validation" if "validation" in self.images else "test")
        indices = list(range(min(RECONSTRUCTIONS, len(evaluator.images))))
        originals, means = reconstruct(model, evaluator, indices, self.picture_batch)
        save_reconstructions(self.folder.picture("reconstructions", name), originals, means, self.spec, prepare)

    def evaluator(self, split: Split) -> Evaluator:
        """The evaluator of a split."""
        return Evaluator(
            images=self.images[split],
            preparation=self.state.preparation,
            noise_seed=self.training.seed,
            split_seed=self.spec.data.split_seed,
            batch_size=self.state.position.micro_batch,
            processes=self.processes,
            dtype=self.state.position.torch_dtype,
            layers=self.state.model.plan.latent_shapes,
        )
