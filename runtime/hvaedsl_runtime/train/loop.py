"""A training run, in each of its processes."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import torch

from hvaedsl.diagnostics.errors import (
    Diverged,
    NotCompiled,
    NoUpdate,
    OutOfMemory,
    RunError,
    RunFolderInUse,
    RunNotFound,
    Stopped,
    WriteError,
)
from hvaedsl.ir.policies import Rollback
from hvaedsl.ir.spec_text import value_text
from hvaedsl.ir.training import Minutes, TrainSpec
from hvaedsl.program import Program
from hvaedsl_runtime.console import start_logging
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.distributed import is_out_of_memory, losses_explained, process_group
from hvaedsl_runtime.evaluate.results import WEIGHTS
from hvaedsl_runtime.model import set_determinism, set_matrix_precision
from hvaedsl_runtime.rendezvous import was_restarted
from hvaedsl_runtime.train.interruption import Interruption, InterruptionError
from hvaedsl_runtime.train.run import TrainingRun
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.split import out_of_memory
from hvaedsl_runtime.train.step import StepResult

SKIPS_BEFORE_STOPPING = 1000
NOT_FINITE_BEFORE_STOPPING = 100

logger = logging.getLogger(__name__)


def train(program: Program, settings: RunSettings) -> None:
    """Train a program in this process, together with the others if a launcher started several.

    Raises SpecError if the spec lacks what training needs; UsageError for an unknown log level; DeviceNotFound;
    OutOfMemory; NoUpdate; Diverged; Stopped after a signal; WriteError; InvalidData for images that cannot be
    read any more; RunFolderInUse or RunNotFound for a folder with other content, or in which another process trains;
    and the errors of TrainingRun. What ends a run that has begun says what is saved, and how to resume.
    """
    program.training()
    start_logging()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)

    set_determinism(program.spec.train.deterministic)
    interruption = Interruption()
    with ExitStack() as stack:
        stack.enter_context(interruption.save_requests())
        stack.enter_context(losses_explained())
        processes = stack.enter_context(process_group(settings.device, settings.torch_dtype))
        stack.enter_context(memory_errors_explained())
        if processes.any(was_restarted()) and not settings.resume:
            settings = settings.model_copy(update={"resume": True})
        if processes.is_first:
            stack.enter_context(RunFolder(settings.out).claimed(settings.resume))

        set_matrix_precision(program.spec.train.precision)
        with TrainingRun(program, settings, processes) as run, interruption:
            try:
                with memory_errors_explained(), losses_explained():
                    train_to_the_end(run, interruption)
            except InterruptionError:
                with suppress(InterruptionError):  # who insists does not wait for the checkpoint
                    finish_alone(run)
                raise stopped(run, interruption) from None
            except WriteError as error:  # no checkpoint: the metrics may lack lines that a resumed run would not repeat
                with suppress(RunError):  # one is reported
                    run.finish_writing()
                saved, way_on = what_is_saved(run)
                raise error.then(way_on, state=f"; {saved}") from error
            except (Diverged, NoUpdate) as error:
                run.note_failure(error)
                raise
            except RunError as error:
                if not isinstance(error, RunFolderInUse):  # the folder is another process's
                    save_alone(run)
                raise ended(run, error) from error
            except Exception:
                save_alone(run)
                saved, way_on = what_is_saved(run)
                run.outputs.display.say(f"stopped after step {run.state.step}; {saved}; {way_on}")
                raise


def train_to_the_end(run: TrainingRun, interruption: Interruption) -> None:
    """Step, save and evaluate until all steps are done or the bound has stopped falling; then evaluate on test images.

    Raises InterruptionError after a signal and InvalidData for images that cannot be read, once the state is saved;
    NoUpdate; Diverged if the weights are not finite, instead of saving them, or if the likelihood of the test images is
    not.
    """
    training = run.training
    while True:
        step = run.state.step
        evaluation_due = is_due(step, training.eval_every) and step > run.evaluated_step

        # Save before the evaluation, so that a resumed run repeats an evaluation during which it was killed.
        if evaluation_due or is_save_due(run, step) or step >= training.steps:
            save(run)
        if evaluation_due:
            with interruption.nothing_to_lose():
                run.validate()
        if run.has_stopped:
            save(run, again=evaluation_due)  # with the evaluation that ends the run
            run.say_stopped()
        if step >= training.steps or run.has_stopped:
            finish_writing(run)
            break

        # All processes stop after the same step, whichever of them received the signal or cannot read its images.
        failure = run.batches.failure(run.state.batch)
        stop, is_unreadable, is_save_requested, is_late = run.processes.each_max(
            interruption.received or 0, failure is not None, interruption.save_requested, is_save_late(run)
        )
        if stop or is_unreadable:
            logger.info("stopping after step %d: %s", step, "a signal was received" if stop else "no images")
        if stop or is_unreadable or is_save_requested or is_late:
            save(run)
        if stop or is_unreadable or is_save_requested:
            finish_writing(run)
        if stop:
            interruption.received = signal.Signals(stop)
            raise InterruptionError
        if is_save_requested:
            interruption.save_requested = False
            run.outputs.display.say(f"{what_is_saved(run)[0]}, as a signal asked for")
        if is_unreadable:
            run.processes.raise_any(failure)
        take_step(run)

    with interruption.nothing_to_lose():
        bounds = run.finish()
    for weights, bound in bounds.items():
        if not math.isfinite(bound.loss_nats_per_dim):
            raise diverged(run, f"the likelihood of the test images with the {WEIGHTS[weights]} is not finite")
    run.save()  # unless the last step was not finite, this was done above
    finish_writing(run)


def save(run: TrainingRun, *, again: bool = False) -> None:
    """Write the checkpoint of the current step. Raises Diverged if it would hold weights that are not finite.

    After a step whose loss is not finite, nothing is written: if all later ones are like it, the last checkpoint is
    still of weights that can be used.
    """
    if run.not_finite_in_a_row:
        logger.info("no checkpoint of step %d: its loss is not finite", run.state.step)
        return
    if isinstance(run.training.on_spike, Rollback) and has_lost_weights(run):
        logger.info("no checkpoint of step %d: its weights are not finite; the next step rolls back", run.state.step)
        return
    check_weights(run)
    run.save(again=again)


def finish_writing(run: TrainingRun) -> None:
    """Wait in every process until the checkpoint is on the disk. Raises WriteError in the one that writes it."""
    run.finish_writing()
    run.processes.barrier()


def finish_alone(run: TrainingRun) -> None:
    """Wait until the checkpoint is on the disk, in a run that a signal ends; the others may not wait for it.

    Raises WriteError, which says what is saved.
    """
    try:
        run.finish_writing()
    except WriteError as error:
        saved, way_on = what_is_saved(run)
        raise error.then(way_on, state=f"; {saved}") from error


def save_alone(run: TrainingRun) -> None:
    """Write the checkpoint of the last completed step after an error in this process, if it can be done.

    The other processes may wait for each other, or be gone: nothing here waits for them.
    """
    state = run.state
    with suppress(Exception):  # of the checkpoint before; the error that ends the run is the one to report
        run.finish_writing()
    is_new = state.step > (run.folder.newest_step() or run.resumed_step or 0)
    if not (run.processes.is_first and is_new and state.is_between_steps and not run.not_finite_in_a_row):
        return
    try:
        if all(first_not_finite(dict(model.named_parameters())) is None for model in state.models.values()):
            run.write_checkpoint()
            run.finish_writing()
    except Exception as error:  # the error that ends the run is the one to report
        logger.warning("the checkpoint of step %d cannot be saved: %s", state.step, error)


def check_weights(run: TrainingRun) -> None:
    """Raise Diverged, in every process, if a weight is not finite in one of them."""
    for kind, model in run.state.models.items():
        found = first_not_finite(dict(model.named_parameters()))
        if run.processes.any(found is not None):
            raise diverged(run, f"of the {WEIGHTS[kind]}, {found or 'a tensor in another process is not finite'}")


def diverged(run: TrainingRun, what: str) -> RunError:
    """The error for a run whose weights or likelihood are not finite. Resuming would repeat the same steps."""
    with suppress(WriteError):  # there is a checkpoint less, which the error says
        run.finish_writing()
    saved, _ = what_is_saved(run)
    return Diverged(
        f"training diverged: after step {run.state.step}, {what}; {saved}",
        help=f"{against_divergence(run.training)}, and train into another folder with --out: "
        "a resumed run would diverge again",
    )


def against_divergence(training: TrainSpec) -> str:
    """The settings that would keep a training from diverging."""
    rate, decay = training.learning_rate or 0.0, training.weight_decay
    lower_rate = f"lower train.learning_rate ({rate:g})"
    names = [name for name, factor in training.rates.items() if factor > 1]
    highest = max(names, key=training.rates.__getitem__, default=None)
    factor = 1.0 if highest is None else training.rates[highest]
    if highest is not None:
        lower_rate += f" or train.rates ({highest}: {factor:g})"

    # AdamW multiplies a weight by 1 - rate * decay, whatever its gradient is.
    if rate * factor * decay > 2:
        return f"lower train.weight_decay ({decay:g}), or {lower_rate}: weights grow if rate * decay is above 2"

    skip = training.skip_above
    ways = [lower_rate, "set train.skip_above" if skip is None else f"lower train.skip_above ({value_text(skip)})"]
    if training.precision == "bfloat16":
        ways.append("set train.precision = float32")
    return ", or ".join(ways)


def take_step(run: TrainingRun) -> None:
    """Take one step, count it and log it.

    Raises NoUpdate if all or too many consecutive updates were skipped, Diverged if the weights or many consecutive
    losses are not finite.
    """
    run.check_writing()
    started = time.monotonic()
    run.processes.beat("training", run.state.step)
    result = run.step(run.state.step, run.batches(run.state.batch))
    run.record(result, time.monotonic() - started)

    policy = run.training.on_spike
    if isinstance(policy, Rollback) and is_rollback_due(run, policy):
        roll_back(run, policy)
        return

    # Some steps with a loss that is not finite are skipped. Weights that are not finite never recover, and neither do
    # those whose loss is not finite on many batches, because skipped updates do not change them.
    if run.not_finite_in_a_row:
        check_weights(run)
    if run.not_finite_in_a_row >= NOT_FINITE_BEFORE_STOPPING:
        raise diverged(run, f"the loss was not finite in {NOT_FINITE_BEFORE_STOPPING} consecutive steps")

    step, counters = run.state.step, run.state.counters
    if counters.skipped_in_a_row >= SKIPS_BEFORE_STOPPING:
        raise no_update(run, f"{SKIPS_BEFORE_STOPPING:,} consecutive steps", result)
    if counters.skipped_updates == step == run.training.steps:
        raise no_update(run, f"all {step:,} steps", result)


def is_save_due(run: TrainingRun, step: int) -> bool:
    """Whether a checkpoint is due after `step` steps: by their number, or because it is one to keep for good."""
    training = run.training
    counts = (training.save_every, training.keep_every)
    return any(isinstance(every, int) and is_due(step, every) for every in counts)


def is_save_late(run: TrainingRun) -> bool:
    """Whether so much time has passed since the last checkpoint that one is due; only the first process looks."""
    every = run.training.save_every
    return run.processes.is_first and isinstance(every, Minutes) and time.monotonic() - run.saved_at >= every.seconds


def is_rollback_due(run: TrainingRun, policy: Rollback) -> bool:
    """Whether too many consecutive updates were skipped, or weights are lost."""
    if run.state.counters.skipped_in_a_row >= policy.after:
        return True
    # Every process sees the same loss, so that all of them compare their weights or none does.
    return run.not_finite_in_a_row > 0 and has_lost_weights(run)


def has_lost_weights(run: TrainingRun) -> bool:
    """Whether a weight is not finite in one of the processes."""
    models = run.state.models.values()
    return run.processes.any(any(first_not_finite(dict(model.named_parameters())) is not None for model in models))


def roll_back(run: TrainingRun, policy: Rollback) -> None:
    """Return to an earlier checkpoint. Raises Diverged if the run has done so as often as it may, or cannot."""
    skipped = run.state.counters.skipped_in_a_row
    why = f"{skipped:,} consecutive updates were skipped" if skipped else "weights became not finite"
    done = run.state.recovery.rollbacks
    if done >= policy.times:
        raise diverged(run, f"{why}, after {done:,} rollback{'s' * (done > 1)}")
    try:
        run.roll_back(policy)
    except RunNotFound as error:
        raise diverged(run, f"{why}, and {error}") from error


def is_due(step: int, every: int) -> bool:
    """Whether something that happens every `every` steps is due after `step` steps."""
    return step > 0 and step % every == 0


def no_update(run: TrainingRun, when: str, result: StepResult) -> RunError:
    """The error for a run that learns nothing."""
    if math.isfinite(result.gradient_norm):
        help_ = f"raise train.skip_above, which is {value_text(run.training.skip_above)}, or set it to none"
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


def ended(run: TrainingRun, error: RunError) -> RunError:
    """The error with which a run ends, with what is saved and the command that resumes the run."""
    saved, way_on = what_is_saved(run)
    message = f"stopped after step {run.state.step} of {run.training.steps}; {saved}: {error}"
    if isinstance(error, NotCompiled):
        return error.reworded(message, help=f"{error.help}; then train into another folder with --out")
    if isinstance(error, OutOfMemory):  # other values in the spec are those of another run
        return error.reworded(
            message,
            help=f"free memory there, then {way_on}; or {error.help}, and train into another folder with --out",
        )
    return error.reworded(message, help=f"{error.help}, then {way_on}" if error.help else way_on)


def what_is_saved(run: TrainingRun) -> tuple[str, str]:
    """The last checkpoint of a run that ends now, and the command that resumes the run, in words."""
    command = run.settings.resume_command(run.processes.world_size)
    step = run.folder.newest_step()  # what is on the disk, and not what was to be written
    if step is None and run.folder.checkpoint.exists():
        step = run.resumed_step  # of an earlier format
    if step is None:
        return "there is no checkpoint yet", f"restart with: {command}"
    return f"the last checkpoint is of step {step}", f"resume with: {command}"


@contextmanager
def memory_errors_explained() -> Iterator[None]:
    """Turn torch's out-of-memory error into OutOfMemory."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(error) from error
