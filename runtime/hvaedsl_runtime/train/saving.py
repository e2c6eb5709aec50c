"""What a run does about its checkpoints before its first step: which one it resumes from, and how it saves the next."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import DamagedRun, RunNotFound
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER
from hvaedsl.ir.training import RunTraining
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint
from hvaedsl_runtime.disk.checkpoint_names import FORMER_LAST, name_of, steps_in
from hvaedsl_runtime.disk.checkpoint_writer import CheckpointWriter
from hvaedsl_runtime.disk.metrics import MetricsLog, missing_lines, read_metrics
from hvaedsl_runtime.disk.no_checkpoint import AFTER_DIVERGENCE, diverged_before_first
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import Best, Retention, newest_good, read_best, tidy, write_best
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.train.state import TrainState
from hvaedsl_runtime.train.stopping import Stopping, lowest_logged

# In place of the step of a checkpoint: there is none, or it is in the file of an earlier format.
NONE, FORMER = -1, -2


def newest_checkpoint(
    folder: RunFolder, processes: Processes, notices: list[str], *, up_to: int | None = None
) -> Checkpoint | None:
    """The newest whole checkpoint, of the step `up_to` at the latest, the same in every process; None without any.

    The first process looks, renames those that are damaged, and notes that. Raises DamagedRun in every process if all
    are, or if one process cannot read what the first has read.
    """
    checkpoint: Checkpoint | None = None
    step = NONE
    with processes.failing_together():
        if processes.is_first:
            tidy(folder.checkpoints)
            checkpoint = newest_good(folder.checkpoints, notices.append, set_aside=True, up_to=up_to)
            if checkpoint is not None:
                step = checkpoint.step if checkpoint.path.is_dir() else FORMER
    step = processes.from_first(step)

    # The first process has read it while it looked. It waits here for the others, because it may write this checkpoint
    # again at once: after a rollback.
    with processes.failing_together():
        if not processes.is_first and step != NONE:
            checkpoint = load_checkpoint(folder.checkpoints / (FORMER_LAST if step == FORMER else name_of(step)))
    return checkpoint


def check_may_start_over(folder: RunFolder) -> None:
    """Raise RunNotFound if a run without any checkpoint had one, or has results: it would lose its history.

    A run that diverged before its first checkpoint may have results too, which are not finite.

    Otherwise it was killed before its first checkpoint, and may begin again.
    """
    lines = read_metrics(folder.metrics) if folder.metrics.exists() else []
    steps = max((line["step"] for line in lines), default=0)
    has_results = folder.summary.exists()
    if has_results and diverged_before_first(folder):
        raise RunNotFound(
            f"{folder.path} diverged before its first checkpoint: the run cannot be resumed, and would diverge again",
            help=AFTER_DIVERGENCE,
        )
    if has_results or (steps > 0 and folder.had_checkpoint()):
        done = "the results of a finished run" if has_results else f"the log of {counted(steps, 'step')}"
        raise RunNotFound(
            f"{folder.path} has {done}, but no checkpoint in {folder.checkpoints.name}: the run cannot be resumed, and "
            "does not start over by itself",
            help=f"restore a checkpoint from a backup, or {ANOTHER_FOLDER}",
        )


def faults_of(metrics: MetricsLog, folder: RunFolder) -> list[str]:
    """What a log that is resumed lacked when it was opened, in words."""
    found = [f"{folder.metrics}: its last line was truncated, and is cut off"] if metrics.repaired else []
    missing = missing_lines(folder.metrics, metrics.found)
    return found + [f"{folder.metrics}: {problem}; the curves of this run have a gap" for problem in missing]


def begin_saving(
    state: TrainState,
    best: Stopping,
    training: RunTraining,
    folder: RunFolder,
    metrics: MetricsLog | None,
    notices: list[str],
) -> CheckpointWriter | None:
    """Allocate the memory from which checkpoints are written, and settle which one is the best of those there are.

    None without `metrics`: only the first process has them, and writes.
    """
    if metrics is None:
        return None
    _settle_best(state, best, folder, metrics, notices)
    state.state_dict()  # the first one imports parts of torch, for which the first save would wait
    return CheckpointWriter(
        folder.checkpoints,
        Retention(training.keep_last, training.keep_every),
        state.expected_bytes,
        pinned=next(state.model.parameters()).device.type == "cuda",
        before=metrics.sync,
        after=folder.record_checkpoint,
    )


def _settle_best(state: TrainState, best: Stopping, folder: RunFolder, metrics: MetricsLog, notices: list[str]) -> None:
    """Let best.json and `best` say what the log and the checkpoints say.

    After a fallback, the file may be of a later step. Under `train.stop_after` the state of the run knows the step.
    """
    steps = {step for step in steps_in(folder.checkpoints) if step <= state.step}
    if state.stopping is not None:
        steps &= {state.stopping.best_step}
    recorded: Best | None = None
    try:
        recorded = read_best(folder.checkpoints)
    except DamagedRun as error:
        notices.append(f"{error}; it is written again from the log")

    known = [
        found for found in (lowest_logged(metrics.kept, steps), recorded) if found is not None and found.step in steps
    ]
    lowest = min(known, key=lambda found: found.loss_nats_per_dim, default=None)
    if state.stopping is None and lowest is not None:
        best.best_step, best.best_nats_per_dim = lowest.step, lowest.loss_nats_per_dim
    if lowest is None or lowest != recorded:
        write_best(folder.checkpoints, lowest)
