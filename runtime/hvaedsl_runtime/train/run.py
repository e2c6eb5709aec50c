"""A training run: its parts put together, saved, and taken up again."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import hvaedsl
from hvaedsl.diagnostics.errors import RunMismatch, WriteError
from hvaedsl.ir.spec import DataSpec, custom_parts
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.program import Program
from hvaedsl_runtime.console import TrainingDisplay
from hvaedsl_runtime.data import ImageSet, Preparation, Split, has_validation, located, open_split, preparation
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hvaedsl_runtime.disk.metrics import MetricsLog, start_wandb
from hvaedsl_runtime.disk.run_folder import RunFolder, check_same_run
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.model import initial_model
from hvaedsl_runtime.train.batches import TrainingBatches
from hvaedsl_runtime.train.outputs import RunOutputs, RunState
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import StepResult, TrainingStep


class TrainingRun:
    """A program in training, in one process. Use it as a context: it shows progress and closes its files.

    A resumed run keeps its model's name, whatever the spec file is called: a run folder's own is called spec.hvae.
    Nothing is written before the images are found and the model is built.
    Raises RunError on creation: 4 images not found; 5 the run folder is in the way or belongs to another spec, or
    nothing can be written into it.
    """

    def __init__(self, program: Program, settings: RunSettings, processes: Processes) -> None:
        self.settings = settings
        self.processes = processes
        self.training = program.training()
        self.folder = RunFolder(settings.out)
        if processes.is_first:
            self.folder.check_free(settings.resume)
        processes.barrier()
        name = self.folder.model_name() if settings.resume else None
        self.program = program = identified(program, name or program.name)
        checkpoint = self._checkpoint_to_resume()
        images = open_splits(program.spec.data, processes, download=settings.download)
        if checkpoint is None:
            model = program.spec.model
            prepare = preparation(
                program.spec.data,
                model.likelihood,
                images["train"],
                image_features=model.fourier.exponents_at("image"),
            )
        else:
            prepare = Preparation.from_dict(checkpoint.preparation)
        self.step = TrainingStep(self._initial_model(), program.without_gradient, self.training, processes)
        self.batches = TrainingBatches(
            images["train"],
            prepare,
            seed=self.training.seed,
            batch_size=self.training.batch_size,
            processes=processes,
            dtype=settings.torch_dtype,
        )
        self.state = RunState()
        if checkpoint is not None:
            self._restore(checkpoint)
        self.saved_step: int | None = None if checkpoint is None else checkpoint.step
        self.outputs = self._begin_outputs(images, prepare)
        metrics = self.outputs.metrics
        # The file is the first process's; all must agree on which evaluations are due.
        self.evaluated_step = processes.from_first(metrics.evaluated_step if metrics is not None else 0)
        if settings.resume and checkpoint is None:
            self.outputs.display.say(f"nothing to resume in {self.folder.path}, starting anew")

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

    @property
    def models(self) -> dict[str, HierarchicalVAE]:
        """The model with the weights in training, and with their average."""
        return {"raw": self.step.model, "ema": self.step.ema.model}

    def record(self, result: StepResult, seconds: float) -> None:
        """Count a step that was taken, and log it."""
        self.state.step += 1
        self.state.wall_seconds += seconds
        self.state.skipped_updates += not result.applied
        self.state.skipped_in_a_row = 0 if result.applied else self.state.skipped_in_a_row + 1
        self.outputs.record_step(self.state, result)

    def validate(self) -> None:
        """Evaluate at the present step."""
        self.outputs.validate(self.models, self.state)
        self.evaluated_step = self.state.step

    def finish(self) -> None:
        """Evaluate on the test images, and write the results."""
        self.outputs.finish(self.models, self.state)

    def save(self) -> None:
        """Write the checkpoint of the present step, unless it is there already."""
        if self.saved_step == self.state.step:
            return
        if self.outputs.metrics is not None:
            self.outputs.metrics.sync()
            save_checkpoint(self.folder.checkpoint, self._checkpoint())
        # No process says that a step is saved before it is.
        self.processes.barrier()
        self.saved_step = self.state.step

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            version=hvaedsl.__version__,
            spec=self.program.resolved_text(),
            step=self.state.step,
            seed=self.training.seed,
            world_size=self.processes.world_size,
            dtype=self.settings.dtype,
            preparation=self.batches.preparation.to_dict(),
            skipped_updates=self.state.skipped_updates,
            skipped_in_a_row=self.state.skipped_in_a_row,
            wall_seconds=self.state.wall_seconds,
            model=self.step.model.state_dict(),
            ema=self.step.ema.model.state_dict(),
            optimizer=self.step.optimizer.state_dict(),
        )

    def _initial_model(self) -> HierarchicalVAE:
        return initial_model(self.program, self.training.seed, self.processes.device, self.settings.torch_dtype)

    def _checkpoint_to_resume(self) -> Checkpoint | None:
        """None at the beginning of a run, or where it was killed before its first checkpoint."""
        if not self.settings.resume or not self.folder.spec.exists():
            return None
        check_same_run(self.folder, hvaedsl.load(self.folder.spec).spec, self.program.spec)
        if not self.folder.checkpoint.exists():
            return None
        checkpoint = load_checkpoint(self.folder.checkpoint)
        then = (checkpoint.world_size, checkpoint.dtype)
        now = (self.processes.world_size, self.settings.dtype)
        if then != now:
            raise RunMismatch(
                f"{self.folder.path} was trained by {then[0]} process(es) in {then[1]}, not by {now[0]} in {now[1]}",
                help=f"the global batch would change: resume with --gpus {then[0]}, or train anew with --out",
            )
        if checkpoint.step > self.training.steps:
            raise RunMismatch(
                f"{self.folder.path} has taken {checkpoint.step} steps, and train.steps is {self.training.steps}",
                help=f"set train.steps to {checkpoint.step} or more, or train anew with --out",
            )
        return checkpoint

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.step.model.load_state_dict(checkpoint.model)
        self.step.ema.model.load_state_dict(checkpoint.ema)
        self.step.optimizer.load_state_dict(checkpoint.optimizer)
        self.state = RunState(
            checkpoint.step, checkpoint.skipped_updates, checkpoint.skipped_in_a_row, checkpoint.wall_seconds
        )

    def _begin_outputs(self, images: dict[Split, ImageSet], prepare: Preparation) -> RunOutputs:
        metrics = None
        if self.processes.is_first:
            # Before anything is written: it may fail for want of a login.
            config = self.program.spec.model_dump(mode="json")
            run = start_wandb(self.settings.wandb, self.folder.path, self.program.name, config)
            self.folder.begin(self.program.name, self.program.resolved_text(), part_folders(self.program))
            try:
                metrics = MetricsLog(self.folder.metrics, self.state.step, run)
            except WriteError as error:  # from here on the folder is that of a run
                raise error.then(f"go on with: {self.settings.resume_command(self.processes.world_size)}") from error
        display = TrainingDisplay(
            steps=self.training.steps,
            start=self.state.step,
            images_per_step=self.batches.global_batch_size,
            silent=not self.processes.is_first,
        )
        return RunOutputs(
            spec=self.program.spec,
            training=self.training,
            folder=self.folder,
            images=images,
            preparation=prepare,
            processes=self.processes,
            dtype=self.settings.torch_dtype,
            display=display,
            metrics=metrics,
        )


def identified(program: Program, name: str) -> Program:
    """The program under a run's name; its images are found from every working directory."""
    return program.named(name, located(program.spec.data))


def part_folders(program: Program) -> tuple[Path, ...]:
    """Where modules of the program's own parts lie, for its run folder; nothing where it has none."""
    return (*program.folders, Path.cwd()) if custom_parts(program.spec) else ()


def open_splits(data: DataSpec, processes: Processes, *, download: bool) -> dict[Split, ImageSet]:
    """The splits that a run uses, without validation where there is none; only one process downloads."""
    splits: tuple[Split, ...] = ("train", "validation", "test") if has_validation(data) else ("train", "test")
    images: dict[Split, ImageSet] = {}
    if processes.is_first:
        images = {split: open_split(data, split, download=download) for split in splits}
    processes.barrier()
    return images or {split: open_split(data, split) for split in splits}
