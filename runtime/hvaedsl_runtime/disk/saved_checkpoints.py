"""The checkpoints of a run: which one is read, what happens to a damaged one, and which are kept."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.errors import DamagedRun
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl_runtime.disk.checked_json import read_checked, write_checked
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint
from hvaedsl_runtime.disk.checkpoint_names import (
    BEST,
    FORMER_BEST,
    FORMER_LAST,
    MANIFEST,
    REMOVED,
    REPLACED,
    damaged_name,
    name_of,
    steps_in,
)
from hvaedsl_runtime.disk.whole_files import sync_folder

logger = logging.getLogger(__name__)

# Numbers of a spec have at most 15 digits.
MOST_STEPS = 10**15

Say = Callable[[str], object]


@dataclass(frozen=True)
class Retention:
    """Which checkpoints are kept: the last ones, and for good those of every step that is a multiple of `every`."""

    last: int = 3
    every: int | None = None


@dataclass(frozen=True)
class Best:
    """The evaluation with the lowest validation bound: its step, the weights that have it (raw or ema), the bound."""

    step: int
    weights: str
    loss_nats_per_dim: float


def candidates(folder: Path, up_to: int | None = None) -> list[Path]:
    """The checkpoints in a folder, the newest first; that of an earlier format, whose step is unknown, comes last."""
    former = folder / FORMER_LAST
    steps = [step for step in reversed(steps_in(folder)) if up_to is None or step <= up_to]
    return [folder / name_of(step) for step in steps] + [former] * (former.exists() and up_to is None)


def remove_after(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps, and the record of the best if it is one of them. Raises WriteError."""
    with suppress(DamagedRun):  # it is written again with the next best evaluation
        best = read_best(folder)
        if best is not None and best.step > step:
            write_best(folder, None)
    with refusals_explained(folder):
        for later in steps_in(folder):
            if later > step:
                _remove(folder / name_of(later))


def newest_good(folder: Path, say: Say, *, set_aside: bool = False, up_to: int | None = None) -> Checkpoint | None:
    """The newest checkpoint that is whole, of the step `up_to` at the latest; None if there is none at all.

    Each damaged one is said, with the one that is taken in its place; under `set_aside` it is renamed, never removed.
    Raises DamagedRun if all are damaged.
    """
    first: DamagedRun | None = None
    for path in candidates(folder, up_to):
        try:
            checkpoint = load_checkpoint(path)
        except DamagedRun as error:
            if not path.exists():  # a running training has removed it since: newer ones are there
                return newest_good(folder, say, set_aside=set_aside, up_to=up_to)
            first = first or error
            moved = _set_aside(path) if set_aside else ""
            say(f"{error}{moved}")
            continue
        if first is not None:
            say(f"using the checkpoint before it, of step {checkpoint.step}: {path}")
        return checkpoint

    if first is None:
        return None
    raise DamagedRun(
        f"{folder}: every checkpoint is damaged; {first}",
        help="restore one from a backup, or train into another folder with --out",
    ) from first


def _set_aside(path: Path) -> str:
    aside = damaged_name(path)
    with refusals_explained(path):
        path.rename(aside)
        sync_folder(path.parent)
    return f"; renamed to {aside.name}"


def tidy(folder: Path) -> None:
    """Finish what a killed process left: a checkpoint in the middle of being replaced or removed, or half written."""
    with refusals_explained(folder):
        for path in folder.glob(f".step-*{REPLACED}"):
            name = path.with_name(path.name.removeprefix(".").removesuffix(REPLACED))
            if name.exists():
                shutil.rmtree(path)
            else:
                path.rename(name)
        for path in (*folder.glob(f".step-*{REMOVED}"), *folder.glob(".step-*.partial")):
            shutil.rmtree(path)


def prune(folder: Path, retention: Retention) -> None:
    """Remove the checkpoints that are not kept. Raises WriteError.

    Beside the last ones and the permanent ones, that of the lowest validation bound is kept, and those that were the
    lowest when one of the last was saved: a run that falls back to it may end with them.
    """
    steps = steps_in(folder)
    last = steps[-retention.last :]
    kept = set(last)
    if retention.every is not None:
        kept |= {step for step in steps if step % retention.every == 0}
    for step in last:
        with suppress(OSError, ValueError, TypeError, KeyError):  # a damaged one is reported when it is read
            kept.add(json.loads((folder / name_of(step) / MANIFEST).read_bytes())["best_step"])
    with suppress(DamagedRun):
        best = read_best(folder)
        kept |= {best.step} if best is not None else set()

    with refusals_explained(folder):
        for step in steps:
            if step not in kept:
                _remove(folder / name_of(step))


def _remove(path: Path) -> None:
    removed = path.with_name(f".{path.name}{REMOVED}")
    path.rename(removed)  # at once, so that no reader finds a part of it
    shutil.rmtree(removed)
    logger.info("checkpoint removed: %s", path)


def best_path(folder: Path) -> Path:
    """The file that says which checkpoint has the lowest validation bound."""
    return folder / BEST


def read_best(folder: Path) -> Best | None:
    """The evaluation with the lowest validation bound; None if none is recorded. Raises DamagedRun."""
    path = best_path(folder)
    if not path.exists():
        return None
    content: Mapping[str, Any] = read_checked(path, "resume the run, which writes it again, or remove it")
    try:
        step = int(content["step"])
        if not 0 <= step <= MOST_STEPS:
            raise ValueError("no number of a step")
        return Best(step, str(content["weights"]), float(content["loss_nats_per_dim"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedRun(f"{path}: not the best step of a run", help="remove it") from error


def write_best(folder: Path, best: Best | None) -> None:
    """Record the evaluation with the lowest validation bound, or that there is none. Raises WriteError."""
    path = best_path(folder)
    if best is None:
        with refusals_explained(path):
            path.unlink(missing_ok=True)
        return
    write_checked(path, vars(best))


def load_best(folder: Path, step: int | None = None) -> Checkpoint | None:
    """The checkpoint with the lowest validation bound; None if none is recorded, or if it is not that of `step`.

    Raises DamagedRun if it is damaged or gone.
    """
    former = folder / FORMER_BEST
    recorded = read_best(folder)
    if recorded is not None and step in (None, recorded.step):
        return _of_best(folder, recorded.step)
    if step is not None and (folder / name_of(step)).is_dir():
        return load_checkpoint(folder / name_of(step))
    if former.exists():
        checkpoint = load_checkpoint(former)
        return checkpoint if step in (None, checkpoint.step) else None
    return None


def _of_best(folder: Path, step: int) -> Checkpoint:
    path = folder / name_of(step)
    if not path.is_dir():
        raise DamagedRun(
            f"{path} is missing: it has the lowest validation bound, as {BEST} says",
            help="restore it from a backup, or use --checkpoint last",
        )
    return load_checkpoint(path)
