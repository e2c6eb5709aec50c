"""What the evaluations of a log show: overfitting, averaged weights that lag behind, layers without information."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hvaedsl.ir.bridge import TopDownBlock
from hvaedsl.ir.image_size import size_text
from hvaedsl.ir.parameter_names import block_attributes
from hvaedsl.program import Program
from hvaedsl_runtime.disk.checkpoint_names import name_of
from hvaedsl_runtime.disk.metrics import LATENTS
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.doctor.finding import Finding, resume_command, retrain_command
from hvaedsl_runtime.doctor.run_log import Numbers, RunLog, number, numbers
from hvaedsl_runtime.evaluate.latent_use import COLLAPSED_KL_NATS, collapsed_layers
from hvaedsl_runtime.evaluate.units import reporting_unit

# All thresholds are chosen here.
WORSE = 0.01  # relative to the better bound
FEWEST_SINCE_BEST = 3  # evaluations without a lower bound after which a rise is not taken for noise
# Below this share, the initial weights do not affect the average visibly (as in the advice on `ema_decay`).
INITIAL_SHARE = 0.01
SHORTEST_AVERAGED_RUN = 20
NAMED = 8


@dataclass(frozen=True)
class Evaluations:
    """The evaluations of a run that count, with the program of its spec; None if no spec can be read."""

    folder: RunFolder
    log: RunLog
    program: Program | None

    def bounds(self, split: str) -> dict[int, dict[str, float]]:
        """The finite bounds of a split in nats per dimension, by step and by kind of weights."""
        found: dict[int, dict[str, float]] = {}
        for line in self.log.current:
            loss = number(line.get("loss_nats_per_dim"))
            if line["split"] == split and math.isfinite(loss):
                found.setdefault(line["step"], {})[str(line.get("weights"))] = loss
        return dict(sorted(found.items()))

    def shown(self, nats_per_dim: float) -> str:
        """A bound in the unit of the run, as commands print it."""
        if self.program is None:
            return f"{nats_per_dim:.4f} nats/dim"
        unit = reporting_unit(self.program.spec)
        return f"{unit.of(nats_per_dim):.4f} {unit.label}"


def of_evaluations(evaluations: Evaluations) -> Iterator[Finding]:
    """All that the evaluations show."""
    for check in (_risen, _average, _layers):
        yield from check(evaluations)


def _risen(evaluations: Evaluations) -> Iterator[Finding]:
    """A validation bound that is higher than it was; the training loss tells overfitting from instability."""
    lowest = {step: min(bounds.values()) for step, bounds in evaluations.bounds("validation").items()}
    if not lowest:
        return
    best = min(lowest, key=lambda step: lowest[step])
    since, last = [step for step in lowest if step > best], max(lowest)
    if len(since) < FEWEST_SINCE_BEST or lowest[last] - lowest[best] <= WORSE * abs(lowest[best]):
        return

    folder, steps = evaluations.folder, evaluations.log.steps
    losses = [
        _median(steps.loss[(steps.step > end - _width(steps.step)) & (steps.step <= end)]) for end in (best, last)
    ]
    is_overfit = losses[1] < losses[0]
    cause = (
        "and the training loss has fallen since: the model learns its images by heart"
        if is_overfit
        else ("and the training loss has not fallen either: the training has become unstable")
    )
    kept = (folder.checkpoints / name_of(best)).is_dir()
    use = "--checkpoint best uses the weights of that step" if kept else "no checkpoint of that step was kept"
    stop = resume_command(folder, f"train.stop_after={FEWEST_SINCE_BEST}")
    more = (
        f"stop there ({stop}), or add images, train.augment or weight decay"
        if is_overfit
        else (f"train again with a lower learning rate: {retrain_command(folder, 'train.learning_rate=RATE')}")
    )
    yield Finding(
        "validation-rises",
        f"the validation bound has risen since step {best:,}: {evaluations.shown(lowest[best])} there, "
        f"{evaluations.shown(lowest[last])} at step {last:,}",
        evaluations.log.path,
        f"no evaluation of {len(since)} since was better, {cause}",
        f"{use}; {more}",
        best,
    )


def _average(evaluations: Evaluations) -> Iterator[Finding]:
    """Averaged weights that are much worse than those of the last step."""
    split, found = next(
        ((split, bounds) for split in ("test", "validation") if (bounds := evaluations.bounds(split))), ("", {})
    )
    step = max(found, default=0)
    raw, averaged = (found.get(step, {}).get(weights, math.nan) for weights in ("raw", "ema"))
    if not averaged - raw > WORSE * abs(raw):
        return

    why, ways = (
        "the weights have moved far within the steps that the average covers",
        ["use the raw weights (--weights raw)"],
    )
    if evaluations.program is not None:
        decay = evaluations.program.spec.train.ema_decay
        updates = step - sum(not applied for applied in evaluations.log.steps.applied.tolist())
        if (share := decay ** max(0, updates)) > INITIAL_SHARE:
            why = (
                f"after {updates:,} updates with ema_decay = {decay:g}, {share:.0%} of it is still the initial weights"
            )
            # The horizon of the average is then a tenth of the run.
            fitting = f"{1 - 10 / step:.6g}" if step > SHORTEST_AVERAGED_RUN else "0"
            command = retrain_command(evaluations.folder, f"train.ema_decay={fitting}")
            ways.append(f"train for longer, or average over fewer steps: {command}")
        else:
            ways.append("let the learning rate fall towards the end (train.lr_schedule = cosine)")
    yield Finding(
        "average-lags",
        f"the averaged weights are worse than the raw ones: {evaluations.shown(averaged)} against "
        f"{evaluations.shown(raw)} on the {split} images after step {step:,}",
        evaluations.log.path,
        why,
        "; ".join(ways),
        step,
    )


def _layers(evaluations: Evaluations) -> Iterator[Finding]:
    """Layers that carry no information about the image at the last evaluation: since some step, or from the start."""
    history = _kl_history(evaluations.log)
    if not history:
        return
    last, values = history[-1]
    collapsed = set(collapsed_layers(values))
    used_until = {
        layer: max(
            (step for step, kl in history if layer < len(kl) and not kl[layer] < COLLAPSED_KL_NATS), default=None
        )
        for layer in collapsed
    }
    lost = sorted(layer for layer in collapsed if used_until[layer] is not None)
    never = sorted(collapsed - set(lost))
    places, folder = _places(evaluations.program), evaluations.folder
    for layers, kind, told in (
        (lost, "collapsed-layers", "lost to posterior collapse"),
        (never, "unused-layers", "that have never carried information"),
    ):
        if not layers:
            continue
        shown = [f"{layer} ({places.get(layer, '')}KL {values[layer]:.2g} nats)" for layer in layers[:NAMED]]
        more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
        until = [step for layer in layers if (step := used_until[layer]) is not None]
        since = f"; the last was used until step {max(until):,}" if until else ""
        yield Finding(
            kind,
            f"layers {told}: {len(layers)} of {len(values)}, namely {', '.join(shown)}{more}{since}",
            evaluations.log.path,
            "their latents are drawn in vain: the model is as good as one without them",
            ("train for longer, or " if len(layers) == len(values) else "")
            + "let the KL rise slowly or have a free part: "
            f"{retrain_command(folder, 'train.kl.warmup_steps=STEPS', 'train.kl.free_nats=NATS')}; "
            f"hvaedsl analyze kl {folder.path} shows every layer",
            last,
        )


def _kl_history(log: RunLog) -> list[tuple[int, list[float]]]:
    """The KL by layer after each evaluation of the raw weights, or else as the watch of a run measured it."""
    lines = [line for line in log.current if line["split"] == "validation" and line.get("weights") == "raw"]
    lines = lines or [line for line in log.current if line["split"] == "test" and line.get("weights") == "raw"]
    found = [(line["step"], numbers(line.get("kl_nats"))) for line in lines or log.events(LATENTS)]
    return sorted((step, kl) for step, kl in found if kl)


def _places(program: Program | None) -> dict[int, str]:
    """The block of each layer and its size, for parentheses; empty without a program."""
    if program is None:
        return {}
    attributes = block_attributes(program.bridge)
    return {
        op.layer: f"{attributes['decoder', op.group]} at {size_text(*op.size)}, "
        for op in program.bridge.operations
        if isinstance(op, TopDownBlock) and op.layer is not None
    }


def _width(steps: Numbers) -> float:
    """The steps before an evaluation over which the training loss is compared: a twentieth of the run."""
    return max(1.0, float(steps[-1]) / 20) if len(steps) else 1.0


def _median(values: Numbers) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan
