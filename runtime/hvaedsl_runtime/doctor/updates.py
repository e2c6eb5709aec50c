"""What the training steps of a log show: losses, skipped updates, gradient norms, the learning rate, the speed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.policies import AdaptiveThreshold, Rollback
from hvaedsl.ir.spec_text import value_text
from hvaedsl.ir.training import TrainSpec
from hvaedsl_runtime.disk.checkpoint_names import steps_in
from hvaedsl_runtime.disk.metrics import OUT_OF_MEMORY, ROLLBACK, SKIPPED
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.doctor.finding import Finding, resume_command, retrain_command
from hvaedsl_runtime.doctor.run_log import Numbers, RunLog, Steps, number

# All thresholds are chosen here.
SKIPPED_SHARE = 0.05
SKIPPED_IN_A_ROW = 20
# Steps of a curve of which the first and the last tenth are compared.
FEWEST_STEPS = 200
PARTS = 10
NORM_GROWTH = 10.0
SLOWDOWN = 2.0
SLOW_SECONDS = 10.0  # of the last tenth: a shorter time says nothing about the machine
# The proposal for `skip_above` is what `adaptive(0.99, ...)` computes: this many times the 0.99 quantile.
PROPOSED_FACTOR = 3.0
# If the norms exceed those of the updates before by this factor, they have risen, and the threshold is not too low.
RISEN = 10.0


@dataclass(frozen=True)
class Training:
    """The log of a run with its folder and the `train` section of its spec; None if no spec can be read."""

    folder: RunFolder
    log: RunLog
    spec: TrainSpec | None

    @property
    def steps(self) -> Steps:
        """The training steps that count."""
        return self.log.steps

    def found(self, kind: str, what: str, why: str, help_: str, step: float | None = None) -> Finding:
        """A finding that is seen in the log."""
        return Finding(kind, what, self.log.path, why, help_, None if step is None else int(step))

    def lower_rate(self) -> str:
        """The command that trains again with a third of the learning rate."""
        rate = None if self.spec is None else self.spec.learning_rate
        value = "RATE" if rate is None else f"{rate / 3:.1g}"
        return retrain_command(self.folder, f"train.learning_rate={value}")


def of_training(training: Training) -> Iterator[Finding]:
    """All that the training steps show."""
    for check in (_losses, _skipped, _rollbacks, _norms, _rates, _memory, _speed):
        yield from check(training)


def _losses(training: Training) -> Iterator[Finding]:
    steps = training.steps
    bad = ~np.isfinite(steps.loss)
    if not bad.any():
        return
    first, count = int(steps.step[bad][0]), int(bad.sum())
    lasting = ", and to the end of the log" if bad[-1] else ""
    yield training.found(
        "loss-not-finite",
        f"the loss is not finite in {counted(count, 'logged step')}, first after step {first:,}{lasting}",
        "a loss of NaN or infinity gives no gradient; if the weights became so, they never recover",
        f"train again with a lower learning rate ({training.lower_rate()}), in float32 if train.precision is bfloat16; "
        "docs/stability.md explains the other ways",
        first,
    )


def _skipped(training: Training) -> Iterator[Finding]:
    """Updates that were skipped: many of them, or many in a row; and which threshold would fit the norms."""
    steps, log = training.steps, training.log
    counts = [number(line.get("skipped_updates")) for line in log.current if line["split"] == "train"]
    total = int(counts[-1]) if counts and math.isfinite(counts[-1]) else int((~steps.applied).sum())
    last = log.last_step
    streak, since = _longest_streak(training)
    if not last or (total < SKIPPED_SHARE * last and streak < SKIPPED_IN_A_ROW):
        return

    share = "all" if total >= last else f"{total:,} of {last:,}"
    extent = f"{total / last:.0%}" if total < last else counted(last, "step")
    what = f"{share} updates were skipped ({extent})"
    what += f", {streak:,} in a row from step {since:,} on" if 1 < streak < total else ""
    why = "a skipped update changes no weight: the images of that step teach nothing"
    yield training.found("skipped-updates", what, why, _way_out_of_skips(training, since), since)


def _have_risen(training: Training, since: int) -> bool:
    """Whether the norms from step `since` on are far above those of the updates that were applied before."""
    steps = training.steps
    before = steps.norm[(steps.step < since) & steps.applied & np.isfinite(steps.norm)]
    after = steps.norm[(steps.step >= since) & np.isfinite(steps.norm)]
    return bool(len(before) and len(after) and np.median(after) > RISEN * np.median(before))


def _way_out_of_skips(training: Training, since: int) -> str:
    """What to do about skipped updates: the cause is a norm that is not finite, a low threshold, or norms that rose."""
    steps, spec = training.steps, training.spec
    norms = steps.norm[np.isfinite(steps.norm)]
    events = training.log.events(SKIPPED)
    not_finite = sum(not math.isfinite(number(event.get("gradient_norm"))) for event in events)
    if not len(norms) or (events and 2 * not_finite > len(events)):
        return f"most of the norms are not finite: lower the learning rate ({training.lower_rate()}), or use float32"

    quantiles = ", ".join(f"{np.quantile(norms, at):.3g} ({name})" for at, name in _QUANTILES)
    proposed = _rounded_up(PROPOSED_FACTOR * float(np.quantile(norms, 0.99)))
    written = "unknown" if spec is None else value_text(spec.skip_above)
    text = f"train.skip_above is {written}; the gradient norms are {quantiles}. "
    if _have_risen(training, since):
        way = f"lower the learning rate: {training.lower_rate()}"
        if any(step < since for step in steps_in(training.folder.checkpoints)):
            way += (
                f"; or return to a checkpoint from before: {resume_command(training.folder, 'train.on_spike=rollback')}"
            )
        return text + f"They have risen above the threshold, so that raising it would only hide the cause; {way}"
    if spec is not None and isinstance(spec.skip_above, AdaptiveThreshold):
        return text + f"Its factor or quantile is low: {_with_threshold(training, f'{proposed:g}')}"
    adaptive = _with_threshold(training, "adaptive(0.99, 1000)")
    return text + f"The threshold is below most of them; try {proposed:g}, or one that follows the norms: {adaptive}"


_QUANTILES = ((0.5, "median"), (0.9, "0.9 quantile"), (0.99, "0.99 quantile"), (1.0, "largest"))


def _with_threshold(training: Training, value: str) -> str:
    return resume_command(training.folder, f"train.skip_above={value}", changed=True)


def _longest_streak(training: Training) -> tuple[int, int]:
    """The length of the longest sequence of consecutive skipped updates, and the step with which it begins."""
    steps = [event["step"] for event in training.log.events(SKIPPED)]
    if not steps:  # a log of an earlier version; its steps are consecutive if the run was short
        steps = [int(step) for step in training.steps.step[~training.steps.applied]]
    longest, begins, length, begin, before = 0, 0, 0, 0, -1
    for step in steps:
        length, begin = (length + 1, begin) if step == before + 1 else (1, step)
        before = step
        if length > longest:
            longest, begins = length, begin
    return longest, begins


def _rollbacks(training: Training) -> Iterator[Finding]:
    events = training.log.events(ROLLBACK)
    if not events:
        return
    left_out = number(events[-1].get("left_out_batches"))
    batches = f"; {counted(int(left_out), 'batch', 'batches')} left out" if left_out > 0 else ""
    places = ", ".join(f"{int(number(event.get('from_step')) or 0):,}" for event in events[-3:] if _has_step(event))
    policy = training.spec.on_spike if training.spec is not None else None
    keeps_rate = isinstance(policy, Rollback) and policy.rate == 1
    way = resume_command(training.folder, "train.on_spike=rollback(rate = 0.5)") if keeps_rate else ""
    yield training.found(
        "rollbacks",
        f"{counted(len(events), 'rollback')} (the last after step {places}){batches}",
        "the run met gradients with which it could not go on; if that comes again, it ends after `times` rollbacks",
        f"lower the learning rate ({training.lower_rate()})" + (f", or with each rollback: {way}" if way else ""),
        events[-1]["step"],
    )


def _has_step(event: dict[str, object]) -> bool:
    return math.isfinite(number(event.get("from_step")))


def _norms(training: Training) -> Iterator[Finding]:
    steps = training.steps
    kept = np.isfinite(steps.norm)
    medians = _medians(steps.norm[kept])
    if medians is None:
        return
    lowest = int(np.argmin(medians))
    low, high = float(medians[lowest]), float(medians[-1])
    if low <= 0 or high < NORM_GROWTH * low:
        return
    at = steps.step[kept][int(len(steps.norm[kept]) * lowest / PARTS)]
    yield training.found(
        "gradient-norm-grows",
        f"the gradient norm has grown from {low:.3g} near step {int(at):,} to {high:.3g} at the end (medians over a "
        "tenth of the log)",
        "a norm that keeps growing precedes spikes and losses that are not finite",
        f"lower the learning rate ({training.lower_rate()}), or clip more (train.clip_norm); `hvaedsl analyze "
        "state-norms` shows whether the states grow too",
        at,
    )


def _rates(training: Training) -> Iterator[Finding]:
    steps = training.steps
    zero = (steps.rate == 0) & (steps.step > 1)  # the warmup begins with 0
    if zero.sum() < 2:
        return
    first = steps.step[zero][0]
    yield training.found(
        "learning-rate-0",
        f"the learning rate is 0 in {counted(int(zero.sum()), 'logged step')}, first after step {int(first):,}",
        "a step with a learning rate of 0 changes no weight",
        "check train.learning_rate, train.lr_schedule and train.lr_warmup_steps, and train into another folder",
        first,
    )


def _memory(training: Training) -> Iterator[Finding]:
    events = training.log.events(OUT_OF_MEMORY)
    if not events:
        return
    before, now = number(events[0].get("images")), number(events[-1].get("images_from_here"))
    if not (math.isfinite(before) and math.isfinite(now)):
        return
    yield training.found(
        "out-of-memory",
        f"a device ran out of memory {counted(len(events), 'time')}: a forward pass has "
        f"{counted(int(now), 'image')} now, and had {int(before):,}",
        "the results are the same, but each smaller forward pass costs time",
        f"set train.micro_batch = {int(now)}, so that the next run begins so; train.recompute_every or "
        "train.precision = bfloat16 need less memory",
        events[-1]["step"],
    )


def _speed(training: Training) -> Iterator[Finding]:
    """Steps per second in the parts of the log: the last against the median of all."""
    steps = training.steps
    if len(steps) < FEWEST_STEPS or not np.isfinite(steps.seconds).all():
        return
    at = np.linspace(0, len(steps) - 1, PARTS + 1).astype(int)
    seconds, taken = np.diff(steps.seconds[at]), np.diff(steps.step[at])
    if (seconds <= 0).any() or (taken <= 0).any() or seconds[-1] < SLOW_SECONDS:
        return
    speeds = taken / seconds
    usual, last = float(np.median(speeds)), float(speeds[-1])
    if last * SLOWDOWN > usual:
        return
    memory = " after a device ran out of memory" if training.log.events(OUT_OF_MEMORY) else ""
    yield training.found(
        "slow",
        f"{last:.3g} steps per second in the last tenth of the log{memory}, against {usual:.3g} (median)",
        "another program may use the device, the images may come more slowly, or the device may be throttled",
        "look at the load, the temperature and the clock of the device (nvidia-smi), and at the disk of the images",
        steps.step[at[-2]],
    )


def _medians(values: Numbers) -> Numbers | None:
    """The medians of the tenths of a curve; None if it is short."""
    if len(values) < FEWEST_STEPS:
        return None
    return np.array([np.median(part) for part in np.array_split(values, PARTS)])


def _rounded_up(value: float) -> float:
    """A number rounded up to two significant digits."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit) * unit:.2g}")
