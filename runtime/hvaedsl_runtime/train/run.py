"""A training run: its parts put together, saved, and resumed."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hvaedsl.diagnostics.errors import DamagedRun, HvaedslError, RunNotFound, WriteError
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.policies import Rollback
from hvaedsl.ir.spec import DataSpec, custom_parts
from hvaedsl.ir.spec_text import flat_values
from hvaedsl.ir.training import Epochs
from hvaedsl.program import Program
from hvaedsl_runtime.console import TrainingDisplay
from hvaedsl_runtime.data import (
    Fingerprint,
    ImageSet,
    Split,
    augmentation,
    fingerprint,
    has_validation,
    open_split,
    remarks,
)
from hvaedsl_runtime.disk.checkpoint_folder import Noted
from hvaedsl_runtime.disk.metrics import FAILED, OUT_OF_MEMORY, ROLLBACK, MetricsLog, put_aside, start_wandb
from hvaedsl_runtime.disk.run_folder import RunFolder, RunLength
from hvaedsl_runtime.disk.saved_checkpoints import Best, load_best, remove_after, write_best
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound
from hvaedsl_runtime.evaluate.fixed_batches import fixed_batch_size
from hvaedsl_runtime.heartbeat import taking_long
from hvaedsl_runtime.train.batches import TrainingBatches
from hvaedsl_runtime.train.outputs import RunOutputs
from hvaedsl_runtime.train.recovery import Recovery
from hvaedsl_runtime.train.resumption import Resumption
from hvaedsl_runtime.train.saving import begin_saving, faults_of, newest_checkpoint
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.split import check_processes, norms_over_batch
from hvaedsl_runtime.train.step import StepResult, TrainingStep
from hvaedsl_runtime.train.stopping import Stopping, has_stopped, lowest_bound, with_weights
from hvaedsl_runtime.train.watch import CollapseWatch

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
        processes.beat("reading the run folder")
        beginning = Resumption(program, settings, processes)
        beginning.find_checkpoint()
        self.program = program = beginning.program
        check_processes(program.spec, processes.world_size)

        crop = program.spec.train.augment.random_crop
        images = open_splits(program.spec.data, processes, size=crop, download=settings.download)
        self.training = beginning.training(len(images["train"]))
        self.fingerprints: dict[str, Fingerprint] = {}  # in the first process, which records them
        if processes.is_first:
            processes.beat("reading images")
            self.fingerprints |= {split: fingerprint(found) for split, found in images.items()}
        beginning.check_images(self.fingerprints)
        processes.beat("building the model")
        self.state = beginning.state(self.training.seed, images["train"])
        self.step = TrainingStep(
            self.state,
            self.training,
            processes,
            unit_nats_per_dim=self.state.preparation.unit_nats_per_dim,
            may_split=not norms_over_batch(program.spec),
        )
        with processes.failing_together():
            augmented = augmentation(self.training.augment, images["train"], self.training.seed)
        self.batches = TrainingBatches(
            images["train"],
            self.state.preparation,
            seed=self.training.seed,
            batch_size=self.training.batch_size,
            processes=processes,
            dtype=settings.torch_dtype,
            layers=self.state.model.plan.latent_shapes,
            augmentation=augmented,
        )
        checkpoint = beginning.checkpoint
        self.resumed_step = self.saved_step = None if checkpoint is None else checkpoint.step
        self._micro_batch_before = self.state.position.micro_batch  # of the step before
        self.not_finite_in_a_row = 0  # steps of this process until now whose loss is not finite

        self._notices = beginning.notices
        self.outputs = self._begin_outputs(images)
        self.best = self.state.stopping or Stopping()
        self.saved_at = time.monotonic()
        self.writer = begin_saving(
            self.state, self.best, self.training, self.folder, self.outputs.metrics, self._notices
        )
        for notice in self._notices:
            self.outputs.display.say(notice)
        self._say_remarks(images["train"])
        metrics = self.outputs.metrics
        # Only the first process has the file, and all have to agree on which evaluations are due.
        self.evaluated_step = processes.from_first(metrics.evaluated_step if metrics is not None else 0)

    def __enter__(self) -> Self:
        self.outputs.display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.outputs.display.__exit__(kind, error, traceback)
        self.batches.close()
        with suppress(Exception):  # a failure that nobody waited for: another one ends the run
            self.finish_writing()
        if self.outputs.metrics is not None:
            self.outputs.metrics.close(failed=error is not None)

    def record(self, result: StepResult, seconds: float) -> None:
        """Count a step that was taken, and log it."""
        self.state.is_between_steps = False
        images = [] if result.applied else self.batches.indices(self.state.batch)
        if (now := self.state.position.micro_batch) != (before := self._micro_batch_before):
            self.outputs.display.say(
                f"step {self.state.step}: out of memory with {before:,} images at once; from here, a forward pass has "
                f"{now:,}"
            )
            if self.outputs.metrics is not None:
                self.outputs.metrics.note(self.state.step, OUT_OF_MEMORY, {"images": before, "images_from_here": now})
            self._micro_batch_before = now
        self.state.record_step(applied=result.applied, seconds=seconds)
        self.not_finite_in_a_row = 0 if math.isfinite(result.loss_nats_per_dim) else self.not_finite_in_a_row + 1
        if not result.applied:
            logger.info("step %d: update skipped, gradient norm %.4g", self.state.step, result.gradient_norm)
            self.outputs.record_skip(result, images)
        self.outputs.record_step(result)
        self.state.is_between_steps = True

    def roll_back(self, policy: Rollback) -> None:
        """Return to the newest checkpoint from before the last skipped updates, and leave out the batches since.

        Raises DamagedRun if no checkpoint from before is whole, RunNotFound if there is none; WriteError.
        """
        state, step = self.state, self.state.step
        first = step - max(1, state.counters.skipped_in_a_row)
        self.finish_writing()
        self.processes.barrier()  # every process sees the checkpoint that was being written
        notices: list[str] = []
        checkpoint = newest_checkpoint(self.folder, self.processes, notices, up_to=first)
        if checkpoint is None:
            raise RunNotFound(f"there is no checkpoint from before step {first + 1}, to which the run could return")

        # The clock and the split go on; everything else is as it was then.
        recovery, seconds = state.recovery.after(policy, step - checkpoint.step), state.counters.wall_seconds
        split = state.position.micro_batch, state.position.world_size
        checkpoint.restore(state)
        state.recovery.load_state_dict(recovery.state_dict())
        state.counters.wall_seconds = seconds
        state.position.micro_batch, state.position.world_size = split
        self.not_finite_in_a_row = 0
        self.evaluated_step = min(self.evaluated_step, state.step)

        # Only now are the later checkpoints removed: a run that is killed before returns once more.
        self.note_rollback(step, recovery, notices)
        self.save(again=True)

    def note_rollback(self, from_step: int, recovery: Recovery, notices: list[str]) -> None:
        """Remove the checkpoints of the steps that are given up, and tell of the rollback."""
        step = self.state.step
        if self.state.stopping is None and self.best.best_step > step:
            self.best = Stopping()
        metrics = self.outputs.metrics
        if metrics is not None:
            remove_after(self.folder.checkpoints, step)
            values = {"from_step": from_step, "rollbacks": recovery.rollbacks, "left_out_batches": recovery.left_out}
            metrics.note(from_step, ROLLBACK, {**values, "rate": recovery.rate})
            metrics.resume(step)
        rate = f", with {recovery.rate:g} times the learning rate" if recovery.rate != 1 else ""
        for line in notices:
            self.outputs.display.say(line)
        self.outputs.display.say(
            f"step {from_step}: rollback {recovery.rollbacks} to the checkpoint of step {step}; the run continues from "
            f"there with other images{rate}"
        )

    def note_failure(self, error: HvaedslError) -> None:
        """Log why the run ends, for an end to which a resumed run would come again; not if it cannot be written."""
        if self.outputs.metrics is not None:
            with suppress(WriteError):  # the error that ends the run is the one to report
                self.outputs.metrics.note(self.state.step, FAILED, {"why": error.headline})

    def validate(self) -> None:
        """Evaluate at the current step, and record it if its bound is the lowest."""
        bounds = self.outputs.validate()
        self.evaluated_step = self.state.step
        if self.best.record(self.state.step, bounds):
            weights, lowest = lowest_bound(bounds)
            self.finish_writing()
            if self.processes.is_first and self.folder.newest_step() == self.state.step:
                write_best(self.folder.checkpoints, Best(self.state.step, weights, lowest))
        if self.state.stopping is not None:
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
        best = load_best(self.folder.checkpoints, self.outputs.evaluated_step)
        if best is None:
            raise DamagedRun(
                f"{self.folder.path} has no checkpoint of step {self.outputs.evaluated_step}, which has the lowest "
                "validation bound",
                help="restore it from a backup; with --set train.stop_after=none, the last step gives the results",
            )
        with with_weights(self.state.models, best):
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
        """Start to write the checkpoint of the current step, unless that was done and nothing has changed since.

        The state is copied; a failure to write it is raised by `check_writing` after one of the next steps, or by
        `finish_writing`.
        """
        if self.saved_step == self.state.step and not again:
            return
        self.write_checkpoint()
        self.saved_step = self.state.step

    def write_checkpoint(self) -> None:
        """Start to write the checkpoint of the current step, without waiting for the other processes."""
        self.processes.beat("saving a checkpoint")
        metrics = self.outputs.metrics
        if self.writer is not None and metrics is not None:
            noted = Noted(self.state.step, self.best.best_step, metrics.lines)
            self.writer.save(self.program.resolved_text(), self.state.state_dict(), noted)
        self.saved_at = time.monotonic()

    def check_writing(self) -> None:
        """Raise what went wrong in writing the last checkpoint, if that is over."""
        if self.writer is not None:
            self.writer.check()

    def finish_writing(self) -> None:
        """Wait until the checkpoint is on the disk, in the process that writes it. Raises what went wrong."""
        if self.writer is not None:
            self.writer.wait()

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
        if self.batches.batch_size > len(images):
            say(
                f"{images.name}: a step takes {self.batches.batch_size:,} images, more than the {len(images):,} "
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
                if self.saved_step is None and (aside := put_aside(self.folder.metrics)) is not None:
                    self._notices.append(f"what {self.folder.metrics.name} had is kept as {aside.name}")
                step, stopping = self.state.step, self.state.stopping
                repeats = stopping is not None and stopping.evaluated_step < step  # what it does not count yet
                metrics = MetricsLog(self.folder.metrics, step, run, repeats_evaluation=repeats)
                self._notices += faults_of(metrics, self.folder)
            except WriteError as error:  # the folder holds a run from here on
                raise error.then(f"resume with: {self.settings.resume_command(self.processes.world_size)}") from error

        display = TrainingDisplay(
            steps=self.training.steps,
            start=self.state.step,
            images_per_step=self.training.batch_size,
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
            watch=CollapseWatch.after(metrics.found if metrics is not None else ()),
        )


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
