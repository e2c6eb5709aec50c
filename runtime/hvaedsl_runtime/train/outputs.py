"""What a run leaves behind while it goes on and when it ends: metrics, pictures, the final results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

import hvaedsl
from hvaedsl.ir.spec import Spec, TrainingSpec
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.console import TrainingDisplay
from hvaedsl_runtime.data import ImageSet, Preparation, Split
from hvaedsl_runtime.disk.metrics import MetricsLog
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator, LikelihoodBound
from hvaedsl_runtime.evaluate.pictures import draw_samples, reconstruct, save_reconstructions, save_samples
from hvaedsl_runtime.evaluate.results import WEIGHTS, histogram_baseline, results_table
from hvaedsl_runtime.evaluate.units import reporting_unit
from hvaedsl_runtime.train.step import StepResult

TRAIN_LINES_PER_RUN = 10_000
RECONSTRUCTIONS = 8


@dataclass
class RunState:
    """How far a run is: steps done, updates skipped, seconds spent in steps."""

    step: int = 0
    skipped_updates: int = 0
    skipped_in_a_row: int = 0
    wall_seconds: float = 0.0


@dataclass(frozen=True)
class RunOutputs:
    """Measures and writes; only the first process has `metrics`, and only it writes and prints.

    All that writes raises WriteError.
    """

    spec: Spec
    training: TrainingSpec
    folder: RunFolder
    images: Mapping[Split, ImageSet]
    preparation: Preparation
    processes: Processes
    dtype: torch.dtype
    display: TrainingDisplay
    metrics: MetricsLog | None

    def record_step(self, state: RunState, result: StepResult) -> None:
        """Show a step, and log it: every step of a run of fewer than 20,000, of a longer one 10,000 or more."""
        unit = reporting_unit(self.spec)
        loss = unit.of(result.loss_nats_per_dim)
        self.display.step_done(state.step, loss, unit.label, result.gradient_norm, applied=result.applied)
        every = max(1, self.training.steps // TRAIN_LINES_PER_RUN)
        if self.metrics is None or (state.step % every and state.step != self.training.steps):
            return
        self.metrics.write(
            {
                "step": state.step,
                "split": "train",
                "loss_nats_per_dim": result.loss_nats_per_dim,
                "distortion_nats_per_dim": result.distortion_nats_per_dim,
                "rate_nats_per_dim": result.rate_nats_per_dim,
                unit.key: loss,
                "gradient_norm": result.gradient_norm,
                "learning_rate": result.learning_rate,
                "applied": result.applied,
                "skipped_updates": state.skipped_updates,
                "wall_seconds": state.wall_seconds,
            }
        )

    def evaluate(
        self, split: Split, models: Mapping[str, HierarchicalVAE], state: RunState
    ) -> dict[str, LikelihoodBound]:
        """The bound on a whole split, for each kind of weights; logged."""
        evaluator = self.evaluator(split)
        bounds: dict[str, LikelihoodBound] = {}
        for weights, model in models.items():
            shown = len(range(self.processes.rank, len(evaluator.images), self.processes.world_size))
            with self.display.evaluating(f"{split}, {WEIGHTS[weights]}", shown) as advance:
                bounds[weights] = evaluator(model, advance)
        if self.metrics is not None:
            common = {"step": state.step, "split": split, "wall_seconds": state.wall_seconds}
            self.metrics.write(*({**common, "weights": name, **bound.to_dict()} for name, bound in bounds.items()))
        return bounds

    def validate(self, models: Mapping[str, HierarchicalVAE], state: RunState) -> None:
        """Draw pictures, and evaluate on the validation images where some are held out.

        The lines of the evaluation come last: once they stand, a resumed run takes all of this for done.
        """
        self.draw(models["ema"], f"step-{state.step:08d}")
        if "validation" in self.images:
            bounds = self.evaluate("validation", models, state)
            unit = reporting_unit(self.spec)
            figures = [f"{unit.of(bound.loss_nats_per_dim):.4f} {weights}" for weights, bound in bounds.items()]
            self.display.say(f"step {state.step}: validation {unit.label}: {', '.join(figures)}")

    def finish(self, models: Mapping[str, HierarchicalVAE], state: RunState) -> None:
        """The test likelihood, the last pictures, the summary."""
        bounds = self.evaluate("test", models, state)
        self.draw(models["ema"], "final")
        if self.metrics is None:
            return
        baseline = histogram_baseline(self.spec, self.images["train"], self.images["test"])
        self.metrics.sync()
        self.folder.write_json(self.folder.summary, self.summary(bounds, baseline, models["raw"], state))
        seed = self.training.seed
        title = f"{self.spec.name}: {self.spec.data.dataset} test images after {state.step} steps, seed {seed}"
        self.display.console.print(results_table(self.spec, title, bounds, baseline))
        sizes = ", ".join(f"{len(images)} {split}" for split, images in self.images.items())
        split = f"split seed {self.spec.data.split_seed}"
        self.display.say(f"images: {sizes} ({split}); updates skipped: {state.skipped_updates} of {state.step}")
        self.display.say(f"written to {self.folder.path}")

    def summary(
        self, bounds: Mapping[str, LikelihoodBound], baseline: float | None, model: HierarchicalVAE, state: RunState
    ) -> dict[str, object]:
        """What summary.json holds."""
        return {
            "name": self.spec.name,
            "dataset": self.spec.data.dataset,
            "unit": reporting_unit(self.spec).key,
            "test": {weights: bound.to_dict() for weights, bound in bounds.items()},
            "histogram_baseline_bits_per_dim": baseline,
            "images": {split: len(images) for split, images in self.images.items()},
            "steps": state.step,
            "skipped_updates": state.skipped_updates,
            "wall_seconds": state.wall_seconds,
            "seed": self.training.seed,
            "split_seed": self.spec.data.split_seed,
            "processes": self.processes.world_size,
            "device": self.processes.device.type,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "versions": {"hvaedsl": hvaedsl.__version__, "torch": torch.__version__},
        }

    def draw(self, model: HierarchicalVAE, name: str) -> None:
        """Samples, and reconstructions of the first validation images (test images where none are held out)."""
        if not self.processes.is_first:
            return
        samples = draw_samples(
            model,
            self.spec.sample.count,
            batch_size=self.training.batch_size,
            temperature=self.spec.sample.temperature,
            seed=self.training.seed,
            device=self.processes.device,
            dtype=self.dtype,
        )
        save_samples(self.folder.picture("samples", name), samples, self.spec)
        evaluator = self.evaluator("validation" if "validation" in self.images else "test")
        indices = list(range(min(RECONSTRUCTIONS, len(evaluator.images))))
        originals, means = reconstruct(model, evaluator, indices)
        save_reconstructions(self.folder.picture("reconstructions", name), originals, means, self.spec)

    def evaluator(self, split: Split) -> Evaluator:
        """The evaluator of a split."""
        return Evaluator(
            images=self.images[split],
            preparation=self.preparation,
            noise_seed=self.training.seed,
            split_seed=self.spec.data.split_seed,
            batch_size=self.training.batch_size,
            processes=self.processes,
            dtype=self.dtype,
        )
