"""A training run: its parts put together, saved, and resumed."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from types import TracebackType
from typing import Self

import hvaedsl
from hvaedsl.diagnostics.errors import RunMismatch, RunNotFound, WriteError
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import DataSpec, custom_parts
from hvaedsl.ir.spec_text import flat_values
from hvaedsl.ir.training import Epochs, RunTraining
from hvaedsl.program import Program
from hvaedsl_runtime.console import TrainingDisplay
from hvaedsl_runtime.data import (
    Fingerprint,
    ImageSet,
    Split,
    augmentation,
    differences,
    fingerprint,
    has_validation,
    located,
    open_split,
    preparation_of,
    remarks,
)
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hvaedsl_runtime.disk.metrics import MetricsLog, start_wandb
from hvaedsl_runtime.disk.run_folder import RunFolder, RunLength, check_same_run
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound
from hvaedsl_runtime.evaluate.fixed_batches import fixed_batch_size
from hvaedsl_runtime.heartbeat import taking_long
from hvaedsl_runtime.train.batches import TrainingBatches
from hvaedsl_runtime.train.outputs import RunOutputs
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.state import TrainState
from hvaedsl_runtime.train.step import StepResult, TrainingStep
from hvaedsl_runtime.train.stopping import has_stopped, with_weights

logger = logging.getLogger(__name__)


class TrainingRun:
    """A program in training, in one process. As a context manager it shows progress and closes its files.

    A resumed run keeps its model's name, whatever the spec file is called: the one in a run folder is spec.hvae.
    Nothing is written before the images are found and the model is built. The first process has claimed the run folder.

    Raises on creation DataNotFound or InvalidData; RunMismatch or DamagedRun if the run folder does not allow this run;
    Diverged if its weights are not finite; WriteError.
    """

    def __init__(self, program: Program, settings: RunSettings, processes: Processes) -> None:
        self.settings = settings
        self.processes = processes
        self.folder = RunFolder(settings.out)

        # All processes see the folder before the first one fills it.
        processes.barrier()
        name = self.folder.model_name() if settings.resume else None
        self.program = program = identified(program, name or program.name)
        processes.beat("reading the run folder")
        checkpoint = self._checkpoint_to_resume()

        recorded = self.folder.recorded_length() if checkpoint is not None else None
        crop = program.spec.train.augment.random_crop
        images = open_splits(program.spec.data, processes, size=crop, download=settings.download)
        self.training = self._with_steps(checkpoint, recorded, len(images["train"]))
        self.fingerprints: dict[str, Fingerprint] = {}  # in the first process, which records them
        if processes.is_first:
            processes.beat("reading images")
            self.fingerprints |= {split: fingerprint(found) for split, found in images.items()}
        changes = self._changed_images(checkpoint)
        processes.beat("building the model")
        self.state = self._state(images["train"], checkpoint)
        unit = self.state.preparation.unit_nats_per_dim
        self.step = TrainingStep(self.state, self.training, processes, unit_nats_per_dim=unit)
        with processes.failing_together():
            augmented = augmentation(self.training.augment, images["train"], self.training.seed)
        self.batches = TrainingBatches(
            images["train"],
            self.state.preparation,
            seed=self.training.seed,
            batch_size=self.training.batch_size,
            processes=processes,
            dtype=settings.torch_dtype,
            augmentation=augmented,
        )
        self.saved_step: int | None = None if checkpoint is None else checkpoint.step
        self.not_finite_in_a_row = 0  # steps of this process until now whose loss is not finite

        self.outputs = self._begin_outputs(images)
        self._say_remarks(images["train"])
        metrics = self.outputs.metrics
        # Only the first process has the file, and all have to agree on which evaluations are due.
        self.evaluated_step = processes.from_first(metrics.evaluated_step if metrics is not None else 0)
        if changes:
            self.outputs.display.say(f"the images have changed since the run began: {'; '.join(changes)}")
        if settings.resume and checkpoint is None:
            self.outputs.display.say(f"no checkpoint in {self.folder.path}; starting from scratch")

    def __enter__(self) -> Self:
        self.outputs.display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.outputs.display.__exit__(kind, error, traceback)
        self.batches.close()
        if self.outputs.metrics is not None:
            self.outputs.metrics.close(failed=error is not None)

    def record(self, result: StepResult, seconds: float) -> None:
        """Count a step that was taken, and log it."""
        self.state.is_between_steps = False
        self.state.record_step(applied=result.applied, seconds=seconds)
        self.not_finite_in_a_row = 0 if math.isfinite(result.loss_nats_per_dim) else self.not_finite_in_a_row + 1
        if not result.applied:
            logger.info("step %d: update skipped, gradient norm %.4g", self.state.step, result.gradient_norm)
        self.outputs.record_step(result)
        self.state.is_between_steps = True

    def validate(self) -> None:
        """Evaluate at the current step; under `train.stop_after`, keep the weights if their bound is the lowest."""
        bounds = self.outputs.validate()
        self.evaluated_step = self.state.step
        stopping = self.state.stopping
        if stopping is None:
            return
        if stopping.record(self.state.step, bounds):
            if self.processes.is_first:
                weights = {name: part for name, part in self.state.state_dict().items() if name != "optimizer"}
                save_checkpoint(self.folder.best, self.program.resolved_text(), weights)
            self.processes.barrier()  # no process counts on a file that is not there yet

    @property
    def has_stopped(self) -> bool:
        """Whether the validation bound has not fallen for as many evaluations as `train.stop_after` says."""
        return has_stopped(self.state.stopping, self.training)

    def finish(self) -> dict[str, LikelihoodBound]:
        """Evaluate on the test images, write the results, and return the bounds by kind of weights.

        Under `train.stop_after`, the results are those of the weights with the lowest validation bound.
        """
        if self.outputs.evaluated_step == self.state.step:
            return self.outputs.finish()
        with with_weights(self.state.models, load_checkpoint(self.folder.best)):
            return self.outputs.finish()

    def say_stopped(self) -> None:
        """Say why the run ends before its last step, and of which step its results are."""
        stopping = self.state.stopping
        assert stopping is not None
        self.outputs.display.say(
            f"training has stopped after step {self.state.step} of {self.training.steps}: no lower validation bound in "
            f"{stopping.without_lower} evaluations; the results are those of step {self.outputs.evaluated_step}"
        )

    def save(self, *, again: bool = False) -> None:
        """Write the checkpoint of the current step, unless it was written already and nothing has changed since."""
        if self.saved_step == self.state.step and not again:
            return
        self.write_checkpoint()
        # No process reports a step as saved before it is.
        self.processes.barrier()
        self.saved_step = self.state.step

    def write_checkpoint(self) -> None:
        """Write the checkpoint of the current step, without waiting for the other processes."""
        self.processes.beat("saving a checkpoint")
        if self.outputs.metrics is not None:
            self.outputs.metrics.sync()
            save_checkpoint(self.folder.checkpoint, self.program.resolved_text(), self.state.state_dict())

    def _checkpoint_to_resume(self) -> Checkpoint | None:
        """The checkpoint; None at the start of a run, or if it was killed before its first checkpoint.

        Raises RunNotFound if that of a finished run is gone: training from scratch would replace its results.
        """
        if not self.settings.resume or not self.folder.spec.exists():
            return None
        check_same_run(self.folder, hvaedsl.load(self.folder.spec).spec, self.program.spec)
        if not self.folder.checkpoint.exists():
            if self.folder.summary.exists():
                raise RunNotFound(
                    f"{self.folder.path} has the results of a finished run, but not its checkpoint, "
                    f"{self.folder.checkpoint.relative_to(self.folder.path)}",
                    help=f"restore the checkpoint, or {ANOTHER_FOLDER}",
                )
            return None
        checkpoint = load_checkpoint(self.folder.checkpoint)

        position = checkpoint.position
        then = f"--gpus {position.world_size} --dtype {position.dtype}"
        now = f"--gpus {self.processes.world_size} --dtype {self.settings.dtype}"
        if then != now:
            raise RunMismatch(
                f"{self.folder.path} was trained with {then}; this command has {now}",
                help=f"resume with {then}, or use another folder with --out",
            )
        return checkpoint

    def _with_steps(
        self, checkpoint: Checkpoint | None, recorded: RunLength | None, training_images: int
    ) -> RunTraining:
        """The training with its epochs as steps, of which a run that is resumed has as many as when it began.

        Raises RunMismatch for epochs over another number of images, and for fewer steps than the run has taken.
        """
        training = self.program.training()
        in_epochs = isinstance(training.steps, Epochs)
        if in_epochs and recorded is not None and recorded.training_images != training_images:
            # Under another schedule the learning rate depends on the length, which may then not be written otherwise.
            is_free = training.lr_schedule == "constant"
            other = f"resume with --set train.steps={recorded.steps}, " if is_free else ""
            raise RunMismatch(
                f"{self.folder.path} began with {recorded.training_images:,} training images, and there are "
                f"{training_images:,} now: {training.steps} would be another number of steps",
                help=f"restore the images, {other}or use another folder with --out",
            )

        found = training.for_run(training_images, self.processes.world_size)
        if checkpoint is not None and checkpoint.step > found.steps:
            written = f"{training.steps}, which are {found.steps} steps" if in_epochs else f"{found.steps}"
            raise RunMismatch(
                f"{self.folder.path} has taken {checkpoint.step} steps, and train.steps is {written}",
                help=f"set train.steps to {checkpoint.step} or more, or use another folder with --out",
            )
        return found

    def _changed_images(self, checkpoint: Checkpoint | None) -> list[str]:
        """What has changed in the images since the checkpoint; only the first process knows.

        Raises RunMismatch if something has, unless that is accepted.
        """
        if checkpoint is None or not self.processes.is_first:
            return []
        changes = differences(self.folder.recorded_images(), self.fingerprints)
        if changes and not self.settings.accept_images:
            raise RunMismatch(
                f"{self.folder.path} was trained on other images; {'; '.join(changes)}",
                help="restore the images, or train on these into another folder with --out; to resume the run on these "
                "images all the same, add --accept-images",
            )
        return changes

    def _state(self, train_images: ImageSet, checkpoint: Checkpoint | None) -> TrainState:
        """The state of the checkpoint, or the initial one."""
        prepare = None
        if checkpoint is None:
            prepare = preparation_of(self.program.spec, train_images)

        position = Position(seed=self.training.seed, world_size=self.processes.world_size, dtype=self.settings.dtype)
        state = TrainState.initial(self.program, prepare, position, self.processes.device)
        if checkpoint is not None:
            for weights in ("raw", "ema"):
                checkpoint.finite_weights(weights)
            checkpoint.restore(state)
            logger.info("resuming from step %d of %s", state.step, checkpoint.path)
        return state

    def _length(self, training_images: int) -> RunLength | None:
        """What the run folder records of epochs; None if the length is a number of steps."""
        if not isinstance(self.program.spec.train.steps, Epochs):
            return None
        return RunLength(self.training.steps, training_images)

    def _say_remarks(self, images: ImageSet) -> None:
        """Print what was not taken or changed of the image files, and that a batch has more images than there are."""
        say = self.outputs.display.say
        for line in remarks(images):
            say(f"{images.name}: {line}")
        if self.batches.global_batch_size > len(images):
            say(
                f"{images.name}: a step takes {self.batches.global_batch_size:,} images, more than the {len(images):,} "
                "training images: it repeats some; lower train.batch_size, or add images"
            )

    def _begin_outputs(self, images: dict[Split, ImageSet]) -> RunOutputs:
        """Fill the run folder in the first process; the outputs of the other processes write no files."""
        metrics = None
        if self.processes.is_first:
            # Before any file is written, because it fails without a login.
            config = {"name": self.program.name, **flat_values(self.program.spec)}
            run = start_wandb(self.settings.wandb, self.folder, config)
            spec, folders = self.program.resolved_text(), part_folders(self.program)
            self.folder.begin(self.program.name, spec, folders, self.fingerprints, self._length(len(images["train"])))
            try:
                step, stopping = self.state.step, self.state.stopping
                repeats = stopping is not None and stopping.evaluated_step < step  # what it does not count yet
                metrics = MetricsLog(self.folder.metrics, step, run, repeats_evaluation=repeats)
            except WriteError as error:  # the folder holds a run from here on
                raise error.then(f"resume with: {self.settings.resume_command(self.processes.world_size)}") from error

        display = TrainingDisplay(
            steps=self.training.steps,
            start=self.state.step,
            images_per_step=self.batches.global_batch_size,
            silent=not self.processes.is_first,
        )
        return RunOutputs(
            state=self.state,
            spec=self.program.spec,
            training=self.training,
            folder=self.folder,
            picture_batch=fixed_batch_size(self.program),
            images=images,
            processes=self.processes,
            display=display,
            metrics=metrics,
        )


def identified(program: Program, name: str) -> Program:
    """The program under a run's name, with an absolute path to its images."""
    return program.named(name, located(program.spec.data))


def part_folders(program: Program) -> tuple[Path, ...]:
    """The folders of the program's custom modules, for its run folder; empty if it has none."""
    return (*program.folders, Path.cwd()) if custom_parts(program.spec) else ()


def open_splits(
    data: DataSpec, processes: Processes, *, size: int | ImageSize | None, download: bool
) -> dict[Split, ImageSet]:
    """The splits that a run uses, without validation if there are no such images; only one process downloads.

    `size` is that of the stored images, as for `open_split`.
    """
    splits: tuple[Split, ...] = (
        ("train", "validation", "test") if has_validation(data, size=size) else ("train", "test")
    )
    images: dict[Split, ImageSet] = {}
    if processes.is_first:
        with taking_long("opening the images"):  # or downloading them
            images = {split: open_split(data, split, size=size, download=download) for split in splits}
    processes.barrier()
    return images or {split: open_split(data, split, size=size) for split in splits}
