"""A run folder without a checkpoint: why it has none, and what the folder still offers."""

from __future__ import annotations

from typing import Any

from hvaedsl.diagnostics.errors import DamagedRun, RunNotFound
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.shell import command_line, path_word
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder

# The way out for a run that diverged: from the same spec, it would diverge again.
AFTER_DIVERGENCE = "lower train.learning_rate or set train.skip_above, and train into another folder with --out"


def without_checkpoint(folder: RunFolder) -> RunNotFound:
    """The error for a run that has no checkpoint: it diverged, was killed, or lost it."""
    if diverged_before_first(folder):
        reason = "the run diverged before its first one"
        way_on = AFTER_DIVERGENCE
    elif folder.summary.exists():
        reason = f"the run is finished, and what was in {folder.checkpoints.name} is gone"
        way_on = "restore that folder"
    elif folder.had_checkpoint() and _last_step(folder) > 0:
        taken = counted(_last_step(folder), "step")
        reason = f"the run took {taken}, and what was in {folder.checkpoints.name} is gone"
        way_on = "restore that folder"
    else:
        reason = "the run ended before its first one, or has not come to it"
        resume = command_line("hvaedsl", "train", folder.spec, "--out", folder.path, "--resume")
        way_on = f"if it ended, resume it with: {resume}"

    curves = f"hvaedsl compare {path_word(folder.path)} OTHER_RUN shows its curves; " if folder.metrics.exists() else ""
    return RunNotFound(f"{folder.path} has no checkpoint: {reason}", help=curves + way_on)


def diverged_before_first(folder: RunFolder) -> bool:
    """Whether a run without any checkpoint never had one, and the last loss that it logged is not finite."""
    losses = [line.get("loss_nats_per_dim") for line in _lines(folder)]
    return bool(losses) and losses[-1] is None and not folder.had_checkpoint()


def _last_step(folder: RunFolder) -> int:
    """The last step that the run logged."""
    return max((line["step"] for line in _lines(folder)), default=0)


def _lines(folder: RunFolder) -> list[dict[str, Any]]:
    if not folder.metrics.exists():
        return []
    try:
        return read_metrics(folder.metrics)
    except DamagedRun:  # the missing checkpoint is the one to report
        return []
