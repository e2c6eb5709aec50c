"""What a run begins with: the checkpoint that it resumes from, the weights that it starts from, or a seed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, RunMismatch
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.training import Epochs, RunTraining
from hvaedsl.program import Program
from hvaedsl_runtime.data import Fingerprint, ImageSet, differences, located, preparation_of
from hvaedsl_runtime.disk.checkpoint import Checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.spec_changes import changes_of
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.noise import NOISE_VERSION
from hvaedsl_runtime.train.initial_weights import start_from
from hvaedsl_runtime.train.saving import check_may_start_over, newest_checkpoint
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.split import chosen_micro_batch
from hvaedsl_runtime.train.state import TrainState

logger = logging.getLogger(__name__)


@dataclass
class Resumption:
    """The beginning of a run in one process.

    `program` is that of the command, with an absolute path to its images and, on a resumed run, the model's name in the
    folder. `notices` are printed as soon as there is a display.
    """

    program: Program
    settings: RunSettings
    processes: Processes
    notices: list[str] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    keeps_split: bool = True  # whether the spec sets the split as when the checkpoint was written
    spec_changed: bool = False  # in keys on which the weights depend; the user allows it

    @property
    def folder(self) -> RunFolder:
        """The run folder."""
        return RunFolder(self.settings.out)

    def find_checkpoint(self) -> None:
        """Look for the newest whole checkpoint, if the run is resumed; there is none if it was killed before its first.

        Raises RunMismatch if it belongs to another spec or precision; RunNotFound if a run that had checkpoints has
        lost them, because training from scratch would replace its results; DamagedRun if all are damaged.
        """
        name = self.folder.model_name() if self.settings.resume else None
        self.program = self.program.named(name or self.program.name, located(self.program.spec.data))
        if not self.settings.resume:
            return
        if not self.folder.spec.exists():
            self._note_start()
            return
        self.checkpoint = newest_checkpoint(self.folder, self.processes, self.notices)
        if self.checkpoint is None:
            self._compare(hvaedsl.load(self.folder.spec))
            check_may_start_over(self.folder)
            self._note_start()
            return

        if (changed := self.folder.changed_spec()) is not None:
            self.notices.append(f"{changed}; the run continues with what the checkpoint has")
        # The spec of the checkpoint and not that of the folder, which may have been edited, or be damaged.
        before, position = hvaedsl.loads(self.checkpoint.spec), self.checkpoint.position
        if position.noise == 1 and position.world_size > 1:
            before = self._with_whole_batch(before, position.world_size)
        self._compare(before)
        self.keeps_split = before.spec.train.micro_batch == self.program.spec.train.micro_batch

        if position.dtype != self.settings.dtype:
            as_before = self.settings.model_copy(update={"dtype": position.dtype})
            raise RunMismatch(
                f"{self.folder.path} was trained with --dtype {position.dtype}; this command has --dtype "
                f"{self.settings.dtype}",
                help="use another folder with --out, or resume with: "
                f"{as_before.resume_command(self.processes.world_size)}",
            )

    def _note_start(self) -> None:
        self.notices.append(f"no checkpoint in {self.folder.path}; starting from scratch")

    def _with_whole_batch(self, before: Program, processes: int) -> Program:
        """Count the images of all processes; an earlier version counted those of one, in the spec of the run too."""
        stated = before.training().batch_size
        if self.program.spec.train.batch_size == stated:
            self.program = self.program.with_batch_size(stated * processes)
            self.notices.append(
                f"train.batch_size is {stated * processes:,} now: it counts the images of all {processes} processes"
            )
        return before.with_batch_size(stated * processes)

    def _compare(self, before: Program) -> None:
        """Compare the spec with that of the run. Raises RunMismatch for changes that the user does not allow."""
        changes = changes_of(before, self.program)
        if not changes:
            return
        if not self.settings.allow_changed:
            raise RunMismatch(
                f"{self.folder.path} belongs to another spec; " + "; ".join(changes),
                help="train this spec into another folder with --out, add --allow-changed to go on under the changed "
                f"spec, or resume with: {self.settings.resume_command(self.processes.world_size)}",
            )
        self.spec_changed = True
        self.notices += [f"the spec has changed: {change}" for change in changes]

    def training(self, training_images: int) -> RunTraining:
        """The training with its epochs as steps, of which a run that is resumed has as many as when it began.

        Raises RunMismatch for epochs over another number of images, and for fewer steps than the run has taken.
        """
        training, checkpoint = self.program.training(), self.checkpoint
        in_epochs = isinstance(training.steps, Epochs)
        recorded = self.folder.recorded_length() if checkpoint is not None else None
        if in_epochs and recorded is not None and recorded.training_images != training_images:
            # Under another schedule the learning rate depends on the length, which may then not be written otherwise.
            ways = ["restore the images", "use another folder with --out"]
            if training.lr_schedule == "constant":
                command = self.settings.resume_command(self.processes.world_size)
                ways.append(f"resume with: {command} --set train.steps={recorded.steps}")
            raise RunMismatch(
                f"{self.folder.path} began with {recorded.training_images:,} training images, and there are "
                f"{training_images:,} now: {training.steps} would be another number of steps",
                help=f"{', '.join(ways[:-1])}, or {ways[-1]}",
            )

        found = training.for_run(training_images)
        if checkpoint is not None and checkpoint.step > found.steps:
            written = f"{training.steps}, which are {counted(found.steps, 'step')}" if in_epochs else f"{found.steps}"
            raise RunMismatch(
                f"{self.folder.path} has taken {counted(checkpoint.step, 'step')}, and train.steps is {written}",
                help=f"set train.steps to {checkpoint.step} or more, or use another folder with --out",
            )
        return found

    def check_images(self, fingerprints: Mapping[str, Fingerprint]) -> None:
        """Compare the images with those of the checkpoint; only the first process has their fingerprints.

        Raises RunMismatch if they have changed, unless that is accepted.
        """
        if self.checkpoint is None or not self.processes.is_first:
            return
        changes = differences(self.folder.recorded_images(), fingerprints)
        if changes and not self.settings.accept_images:
            raise RunMismatch(
                f"{self.folder.path} was trained on other images; {'; '.join(changes)}",
                help="restore the images, or train on these into another folder with --out; to resume the run on these "
                "images all the same, add --accept-images",
            )
        if changes:
            self.notices.append(f"the images have changed since the run began: {'; '.join(changes)}")

    def state(self, seed: int, train_images: ImageSet) -> TrainState:
        """The state of the checkpoint, or the initial one, with the split of this run."""
        prepare = preparation_of(self.program.spec, train_images) if self.checkpoint is None else None
        state = TrainState.initial(
            self.program, prepare, Position(seed=seed, dtype=self.settings.dtype), self.processes.device
        )
        if self.checkpoint is not None:
            self._restore(self.checkpoint, state)
        elif self.settings.init_from is not None:
            taken = start_from(self.settings.init_from, state.models.values())
            self.notices += taken.lines

        before = self.checkpoint.position if self.checkpoint is not None else None
        state.position.micro_batch = self._micro_batch(before)
        state.position.world_size = self.processes.world_size
        state.position.noise = NOISE_VERSION
        if before is not None:
            self._note_differences(before, state.position)
        return state

    def _restore(self, checkpoint: Checkpoint, state: TrainState) -> None:
        """Load the checkpoint into a state. Raises RunMismatch if it does not fit a spec that has changed."""
        for weights in ("raw", "ema"):
            checkpoint.finite_weights(weights)
        try:
            checkpoint.restore(state)
        except DamagedRun as error:
            if not self.spec_changed:
                raise
            raise RunMismatch(
                f"the checkpoint does not fit the changed spec: {error}",
                help="start a new run from its weights: --init-from "
                f"{self.folder.path} --out ANOTHER_FOLDER loads those that fit",
            ) from error
        logger.info("resuming from step %d of %s", state.step, checkpoint.path)

    def _micro_batch(self, before: Position | None) -> int:
        """Images of a forward pass, the same in all processes: those of the checkpoint if it had the same split."""
        processes = self.processes.world_size
        if before is not None and self.keeps_split and before.micro_batch and before.world_size == processes:
            return before.micro_batch
        return self.processes.least(chosen_micro_batch(self.program, processes, self.processes.device))

    def _note_differences(self, before: Position, now: Position) -> None:
        """Note how a resumed run differs from the one that wrote the checkpoint, if its curve does."""
        if before.noise != now.noise:
            self.notices.append(
                "an earlier version of hvaedsl began this run, with other random numbers in training: its curve "
                "continues with new ones"
            )
        if before.world_size != now.world_size:
            self.notices.append(
                f"the run had {_processes(before.world_size)} until now, and has {_processes(now.world_size)} from "
                "here: the results are the same up to rounding"
            )


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"
