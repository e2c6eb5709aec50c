"""Whether a run is finished, running, interrupted or diverged, and what its folder says about how it came there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.training import Epochs
from hvaedsl_runtime.disk.checkpoint_names import name_of, steps_in
from hvaedsl_runtime.disk.folder_lock import LOCK, FoundLock, found_lock
from hvaedsl_runtime.disk.metrics import FAILED, TRAIN_LINES_PER_RUN
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.doctor.files import Files
from hvaedsl_runtime.doctor.finding import Finding, resume_command, retrain_command
from hvaedsl_runtime.doctor.run_log import number

State = Literal["running", "finished", "stopped early", "failed", "interrupted", "not begun", "imported"]
# Resumptions at the same step from which on they are no chance.
REPEATED = 3


@dataclass(frozen=True)
class RunState:
    """How far a run is: `steps` is its length, if it is known."""

    name: State
    step: int
    steps: int | None

    def __str__(self) -> str:
        """In words: `interrupted after step 40 of 60`."""
        if self.name in ("not begun", "imported"):
            return self.name
        of = "" if self.steps is None else f" of {self.steps:,}"
        return f"{self.name} {'at' if self.name == 'running' else 'after'} step {self.step:,}{of}"


def lock_of(folder: RunFolder) -> tuple[FoundLock | None, Finding | None]:
    """The lock on a run folder, or why it cannot be read."""
    try:
        return found_lock(folder.path), None
    except OSError as error:
        path = folder.path / LOCK
        what = f"{path}: cannot be read: {error.strerror or error}"
        why = "it says whether a process trains in the folder"
        return None, Finding("damaged-file", what, path, why, "make it readable, or remove it if no process trains")


def state_of(files: Files) -> RunState:
    """The state of a run, from its log and its files."""
    step = max([files.log.last_step, *files.steps], default=0)
    length = _length(files)
    if files.is_running:
        return RunState("running", step, length)
    if files.log.since_resumption() and any(_failures(files)):
        return RunState("failed", step, length)
    if _has_results(files, step):
        stopped = files.summary.get("stopped") is True
        return RunState("stopped early" if stopped else "finished", step, length)
    if files.is_converted and not files.log.exists:
        return RunState("imported", step, length)
    return RunState("interrupted" if step or files.log.exists else "not begun", step, length)


def _length(files: Files) -> int | None:
    """The steps of a whole run; None if they are not known."""
    recorded = files.recorded.get("length")
    found = files.program.spec.train.steps if files.program is not None else None
    if isinstance(found, Epochs):
        found = recorded.get("steps") if isinstance(recorded, dict) else None
    return found if isinstance(found, int) else None


def _has_results(files: Files, step: int) -> bool:
    if any(line["split"] == "test" and line["step"] >= step for line in files.log.current):
        return True
    steps = files.summary.get("steps")
    return isinstance(steps, int) and steps >= step


def _failures(files: Files) -> Iterator[str]:
    """Why a run ended for good, as it has logged; of earlier versions, what the last step shows."""
    for line in files.log.since_resumption():
        if line.get("event") == FAILED:
            yield str(line.get("why", ""))
    if len(files.log.steps) and not math.isfinite(files.log.steps.loss[-1]):
        yield "the loss of its last step is not finite"


def of_state(files: Files, state: RunState, lock: FoundLock | None) -> Iterator[Finding]:
    """What is wrong with the way in which a run has ended, and with its log as a whole."""
    folder, log = files.folder, files.log
    if state.name == "failed":
        yield Finding(
            "failed",
            f"the run has failed: {next(_failures(files))}",
            log.path,
            "a resumed run would end so again",
            f"train again with a lower learning rate: {retrain_command(folder, 'train.learning_rate=RATE')}; "
            "docs/stability.md explains the other ways",
            state.step,
        )
    if state.name in ("interrupted", "not begun"):
        killed = f"; its process was killed: the lock of {lock.who} is left" if lock is not None else ""
        yield Finding(
            "interrupted",
            f"the run is {state}, without results{killed}",
            folder.path,
            "its test images were not evaluated",
            resume_command(folder),
            state.step or None,
        )
    if state.name in ("finished", "stopped early") and steps_in(folder.checkpoints)[-1:] not in ([], [state.step]):
        path = folder.checkpoints / name_of(state.step)
        yield Finding(
            "missing-file",
            f"{path} is missing, the checkpoint with which the run ended",
            path,
            "commands on the run use an earlier one, whose results are others",
            "restore it from a backup",
            state.step,
        )
    yield from _restarts(files, state)
    yield from _gaps(files)


def _restarts(files: Files, state: RunState) -> Iterator[Finding]:
    """Resumptions at one step: the run fails again and again before its next checkpoint.

    A run that is at its end may be resumed there as often as one likes.
    """
    ended = state.name in ("finished", "stopped early")
    steps = [line["step"] for line in files.log.resumptions if not (ended and line["step"] >= state.step)]
    worst = max(steps, key=steps.count, default=0)
    count = steps.count(worst)
    if count < REPEATED:
        return
    yield Finding(
        "no-progress",
        f"the run was resumed {count} times at step {worst:,}",
        files.log.path,
        "it ends again and again before its next checkpoint, and repeats the same steps",
        "look for the cause in the output of the run (HVAEDSL_LOG=info prints more), or save more often: "
        f"{resume_command(files.folder, 'train.save_every=10 minutes')}",
        worst,
    )


def _gaps(files: Files) -> Iterator[Finding]:
    log = files.log
    if log.damaged or log.unreadable is not None:  # the missing lines are named
        return
    length = _length(files)
    gaps = log.gaps(max(1, length // TRAIN_LINES_PER_RUN) if length is not None else 1)
    if gaps:
        shown = ", ".join(f"{before + 1:,} to {after - 1:,}" for before, after in gaps[:3])
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        what = f"steps are missing in the log: {shown}{more}"
        why = "the curves of the run have a gap there; its weights are not affected"
        yield Finding("log-gap", what, log.path, why, "restore the file from a backup", gaps[0][0] + 1)


def facts_of(files: Files, lock: FoundLock | None) -> Iterator[str]:
    """What is not wrong, and explains the state of a run."""
    if lock is not None and not lock.is_stale:
        yield f"in use by {lock.who}; last heartbeat {lock.last_heartbeat}"
    elif lock is not None:
        yield f"the lock of {lock.who} is stale, because {lock.why}: the next run takes it over"
    if files.steps:
        best = f"; the lowest validation bound is that of step {files.best.step:,}" if files.best is not None else ""
        yield f"whole checkpoints: steps {', '.join(f'{step:,}' for step in sorted(files.steps))}{best}"
    resumed = files.log.resumptions
    if resumed:
        places = ", ".join(f"{line['step']:,}" for line in resumed[-5:])
        yield f"resumed {counted(len(resumed), 'time')}, last at step {places}{_how_often(files)}"
    skipped = [number(line.get("skipped_updates")) for line in files.log.current if line["split"] == "train"]
    if skipped and skipped[-1] > 0:
        yield f"updates skipped: {int(skipped[-1]):,} of {files.log.last_step:,}"
    left = sorted(path.name for path in files.folder.checkpoints.glob(".step-*")) if not files.is_running else []
    if left:
        yield f"left by a process that was killed, removed by the next one: {', '.join(left)}"


def _how_often(files: Files) -> str:
    """How much time lies between resumptions, by their dates."""
    times = []
    for line in files.log.resumptions:
        try:
            times.append(datetime.fromisoformat(line["time"]))
        except (KeyError, TypeError, ValueError):
            continue
    try:
        hours = (max(times) - min(times)).total_seconds() / 3600 if len(times) > 1 else 0.0
    except TypeError:  # one of them has no time zone
        return ""
    return f", every {hours / (len(times) - 1):.1f} hours" if hours >= 0.1 else ""
