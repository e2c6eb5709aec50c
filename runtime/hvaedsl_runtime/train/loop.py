"""A training run, in each of its processes."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hvaedsl.diagnostics.errors import NoUpdate, OutOfMemory, RunError, Stopped, WriteError
from hvaedsl.program import Program
from hvaedsl_runtime.console import start_logging
from hvaedsl_runtime.distributed import process_group
from hvaedsl_runtime.model import set_matrix_precision
from hvaedsl_runtime.train.interruption import Interruption, InterruptionError
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import StepResult

SKIPS_BEFORE_STOPPING = 1000

logger = logging.getLogger(__name__)


def train(program: Program, settings: RunSettings) -> None:
    """Train a program in this process, together with the others if a launcher started several.

    Raises SpecError if the spec lacks what training needs; UsageError for an unknown log level; DeviceNotFound;
    OutOfMemory; NoUpdate; Stopped after SIGINT or SIGTERM; WriteError, which says what is saved; and the errors of
    TrainingRun.
    """
    program.training()
    start_logging()
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
    """Step, save and evaluate until all steps are done, then evaluate on the test images.

    Raises InterruptionError after a signal, once the state is saved; NoUpdate.
    """
    training = run.training
    while True:
        step = run.state.step
        evaluation_due = is_due(step, training.eval_every) and step > run.evaluated_step

        # Save before the evaluation, so that a resumed run repeats an evaluation during which it was killed.
        if evaluation_due or is_due(step, training.save_every) or step >= training.steps:
            run.save()
        if evaluation_due:
            with interruption.nothing_to_lose():
                run.validate()
        if step >= training.steps:
            break

        # All processes stop after the same step, whichever of them received the signal.
        if run.processes.any(interruption.received is not None):
            logger.info("stopping after step %d: a signal was received", step)
            run.save()
            raise InterruptionError
        take_step(run)

    with interruption.nothing_to_lose():
        run.finish()


def take_step(run: TrainingRun) -> None:
    """Take one step, count it and log it. Raises NoUpdate if all or too many consecutive updates were skipped."""
    started = time.monotonic()
    result = run.step(run.state.step, *run.batches(run.state.step))
    run.record(result, time.monotonic() - started)

    step, counters = run.state.step, run.state.counters
    if counters.skipped_in_a_row >= SKIPS_BEFORE_STOPPING:
        raise no_update(run, f"{SKIPS_BEFORE_STOPPING:,} consecutive steps", result)
    if counters.skipped_updates == step == run.training.steps:
        raise no_update(run, f"all {step:,} steps", result)


def is_due(step: int, every: int) -> bool:
    """Whether something that happens every `every` steps is due after `step` steps."""
    return step > 0 and step % every == 0


def no_update(run: TrainingRun, when: str, result: StepResult) -> RunError:
    """The error for a run that learns nothing."""
    if math.isfinite(result.gradient_norm):
        help_ = f"raise train.skip_above, which is {run.training.skip_above}, or set it to none"
    else:
        help_ = "the gradient is not finite: lower train.learning_rate, or train in float32"
    return NoUpdate(
        f"no update was applied in {when}; the last gradient norm was {result.gradient_norm:.4g}",
        help=help_,
    )


def stopped(run: TrainingRun, interruption: Interruption) -> RunError:
    """The error for a run that a signal to this process or another one ended."""
    received = interruption.received or signal.SIGTERM
    saved, way_on = what_is_saved(run)
    return Stopped(
        f"stopped by {received.name} after step {run.state.step} of {run.training.steps}; {saved}",
        help=way_on,
        signal=received,
    )


def what_is_saved(run: TrainingRun) -> tuple[str, str]:
    """The last checkpoint of a run that ends now, and the command that resumes the run, in words."""
    command = run.settings.resume_command(run.processes.world_size)
    if run.saved_step is None:
        return "there is no checkpoint yet", f"restart with: {command}"
    return f"the last checkpoint is of step {run.saved_step}", f"resume with: {command}"


@contextmanager
def memory_errors_explained() -> Iterator[None]:
    """Turn torch's out-of-memory error into OutOfMemory."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).partition(". ")[0]
        raise OutOfMemory(
            f"out of GPU memory: {reason}",
            help="lower train.batch_size, set train.precision = bfloat16, or spread the batch over --gpus N",
        ) from error
