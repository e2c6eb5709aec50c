"""A training run, in each of its processes."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hvaedsl.diagnostics.errors import NoUpdate, OutOfMemory, RunError, Stopped, WriteError
from hvaedsl.program import Program
from hvaedsl_runtime.distributed import process_group
from hvaedsl_runtime.model import set_matrix_precision
from hvaedsl_runtime.train.interruption import Interruption, InterruptionError
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import StepResult

SKIPS_BEFORE_STOPPING = 1000


def train(program: Program, settings: RunSettings) -> None:
    """Train a program in this process, together with the others where a launcher started several.

    Raises SpecError for a spec that says too little to train; RunError: 4 images not found, 5 the run folder, 6 the
    device, 7 no update applied, 130 or 143 stopped by SIGINT or SIGTERM after a checkpoint; WriteError where the system
    refuses to write, with what is saved.
    """
    program.training()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    with process_group(settings.device) as processes, memory_errors_explained():
        set_matrix_precision(program.spec.train.precision)
        with TrainingRun(program, settings, processes) as run, Interruption() as interruption:
            try:
                train_to_the_end(run, interruption)
            except InterruptionError:
                raise stopped(run, interruption) from None
            except WriteError as error:
                saved, way_on = what_is_saved(run)
                raise error.then(way_on, state=f"; {saved}") from error


def train_to_the_end(run: TrainingRun, interruption: Interruption) -> None:
    """Step, save and evaluate until all steps are done; then the final results.

    Raises InterruptionError after a signal, the state saved; RunError (7) where no update is applied.
    """
    training = run.training
    while True:
        step = run.state.step
        evaluation_due = is_due(step, training.eval_every) and step > run.evaluated_step
        if evaluation_due or is_due(step, training.save_every) or step >= training.steps:
            # Before the evaluation: one that is killed is then made up for on resumption.
            run.save()
        if evaluation_due:
            with interruption.nothing_to_lose():
                run.validate()
        if step >= training.steps:
            break
        if run.processes.any(interruption.received is not None):
            run.save()
            raise InterruptionError
        take_step(run)
    with interruption.nothing_to_lose():
        run.finish()


def take_step(run: TrainingRun) -> None:
    """One step, counted and logged. Raises RunError (7) where nothing but skipped updates comes."""
    started = time.monotonic()
    result = run.step(run.state.step, *run.batches(run.state.step))
    run.record(result, time.monotonic() - started)
    state = run.state
    if state.skipped_in_a_row >= SKIPS_BEFORE_STOPPING:
        raise no_update(run, f"in {SKIPS_BEFORE_STOPPING} steps in a row", result)
    if state.skipped_updates == state.step == run.training.steps:
        raise no_update(run, f"in all {state.step} steps", result)


def is_due(step: int, every: int) -> bool:
    """Whether something that happens every so many steps happens after `step` steps."""
    return step > 0 and step % every == 0


def no_update(run: TrainingRun, when: str, result: StepResult) -> RunError:
    """The error for a run that learns nothing."""
    if math.isfinite(result.gradient_norm):
        help_ = f"raise train.skip_above, or set it to none; it is {run.training.skip_above}"
    else:
        help_ = "the gradient is not finite: lower train.learning_rate, or train in float32"
    return NoUpdate(
        f"no update was applied {when}; the last gradient norm was {result.gradient_norm:.4g}",
        help=help_,
    )


def stopped(run: TrainingRun, interruption: Interruption) -> RunError:
    """The error for a run that a signal ended, in this process or in another."""
    received = interruption.received or signal.SIGTERM
    saved, way_on = what_is_saved(run)
    return Stopped(
        f"stopped by {received.name} after step {run.state.step} of {run.training.steps}; {saved}",
        help=way_on,
        signal=received,
    )


def what_is_saved(run: TrainingRun) -> tuple[str, str]:
    """What remains of a run that ends now, and how the user goes on."""
    command = run.settings.resume_command(run.processes.world_size)
    if run.saved_step is None:
        return "there is no checkpoint yet", f"begin anew with: {command}"
    return f"the checkpoint is of step {run.saved_step}", f"go on with: {command}"


@contextmanager
def memory_errors_explained() -> Iterator[None]:
    """Turn a GPU's exhausted memory into RunError (6)."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).partition(". ")[0]
        raise OutOfMemory(
            f"the device's memory does not suffice: {reason}",
            help="lower train.batch_size, set train.precision = bfloat16, or spread the batch over --gpus N",
        ) from error
