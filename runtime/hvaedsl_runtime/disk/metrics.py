"""Metrics: one JSON object per line, and optionally Weights & Biases."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from hvaedsl import __version__
from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import DamagedRun, UsageError
from hvaedsl.diagnostics.printable import indented
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.diagnostics.streams import say
from hvaedsl.ir.run_options import WandbMode
from hvaedsl_runtime.disk.checked_json import CRC32, checked_content, checked_text
from hvaedsl_runtime.disk.checkpoint_names import MANIFEST, name_of, steps_in
from hvaedsl_runtime.disk.folder_lock import LATE_SECONDS, check_owned
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.whole_files import append_whole, made_folder, sync_folder

Metrics = Mapping[str, int | float | bool | str | Sequence[float]]

WANDB_MODE = "WANDB_MODE"
QUIETEST_FIRST: tuple[WandbMode, ...] = ("off", "offline", "online")
# The values of WANDB_MODE that the package knows, and the mode that each allows at most.
MODES: Mapping[str, WandbMode] = {
    "disabled": "off",
    "offline": "offline",
    "dryrun": "offline",
    "online": "online",
    "run": "online",
    "shared": "online",
}

# A run of more steps than this logs every N-th of them: N is the largest number that gives at least this many lines.
TRAIN_LINES_PER_RUN = 10_000
RESTORE_LOG = "restore the file from a backup"
# The split of the line with which a run is resumed: its step, the time and the version of hvaedsl.
RESUMED = "resumed"
# The split of the line of an event: a skipped update, a rollback, exhausted memory, the latents of an evaluation, the
# end of a run that would end so again.
EVENT = "event"
SKIPPED, ROLLBACK, OUT_OF_MEMORY, LATENTS, FAILED = "skipped", "rollback", "out_of_memory", "latents", "failed"

logger = logging.getLogger(__name__)


class MetricsLog:
    """The metrics of a run, appended to a file. `step` is the number of steps done when it is opened.

    A line has the number of steps done (`step`), the `split`, the measured values, and its own checksum; numbers that
    are not finite are written as null. Nothing of a log is rewritten: a run that is resumed adds a line of the split
    `resumed`, and `read_metrics` leaves out the earlier lines that such a run writes again. Only a truncated last line,
    which a power cut can leave, is cut off, with the evaluation to which it belongs.

    Raises DamagedRun for a file that is not a log. All methods that write raise WriteError.
    """

    def __init__(self, path: Path, step: int, wandb_run: Any = None, *, repeats_evaluation: bool = False) -> None:
        log = _Log.read(path) if path.exists() else _Log([], 0, 0)
        self.repaired = log.torn
        self.found = log.lines  # when it was opened
        self.lines = len(log.lines)

        self._path = path
        self._wandb_run = wandb_run
        with refusals_explained(path):
            self._file = path.open("ab", buffering=0)
            if log.torn:
                logger.info("%s: cutting off a truncated line", path)
                self._file.truncate(log.whole_bytes)
                os.fsync(self._file.fileno())
            else:
                sync_folder(path.parent)  # for the name of a new file

        resumed = {"step": step, "split": RESUMED, "repeats_evaluation": repeats_evaluation}
        if step or log.lines:
            self.resume(step, repeats_evaluation=repeats_evaluation)
        self.kept = current_lines([*log.lines, resumed])
        self.evaluated_step = max((line["step"] for line in self.kept if line["split"] == "validation"), default=0)

    def resume(self, step: int, *, repeats_evaluation: bool = False) -> None:
        """Note that the run continues from a step: the lines beyond it are written again, and do not count."""
        about = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "version": __version__}
        self.write({"step": step, "split": RESUMED, "repeats_evaluation": repeats_evaluation, **about})

    def note(self, step: int, event: str, values: Metrics) -> None:
        """Append an event after `step` steps."""
        self.write({"step": step, "split": EVENT, "event": event, **values})

    def write(self, *lines: Metrics) -> None:
        """Append lines together: a killed process or a full disk leaves all of them or none.

        Raises RunFolderInUse if another process has taken over the folder while this one was stopped.
        """
        check_owned(self._path, within=LATE_SECONDS)
        with refusals_explained(self._path):
            append_whole(self._file, "".join(map(_json_line, lines)).encode())
        self.lines += len(lines)

        for metrics in lines if self._wandb_run is not None and not _is_unmeasured(lines) else ():
            # A density has curves of its own, which are not drawn beside those of masses.
            kinds = ("split", "weights", "gives")
            names = [str(metrics[key]).replace(" ", "_") for key in kinds if key in metrics]
            values = {key: value for key, value in metrics.items() if key not in ("step", *kinds)}
            self._wandb_run.log({"/".join((*names, key)): value for key, value in values.items()}, step=metrics["step"])

    def sync(self) -> None:
        """Wait until every line is on the disk. Called before a checkpoint, which counts these steps as done."""
        with refusals_explained(self._path):
            os.fsync(self._file.fileno())

    def close(self, *, failed: bool) -> None:
        """Close the file and the Weights & Biases run; a run that failed can be resumed there too."""
        with suppress(OSError):  # everything that has to be on the disk was synced before
            self._file.close()
        if self._wandb_run is not None:
            self._wandb_run.finish(exit_code=int(failed))


def put_aside(path: Path) -> Path | None:
    """Rename a log with content, so that a new run keeps it; return its new name, or None. Raises WriteError."""
    with refusals_explained(path):
        if not path.exists() or path.stat().st_size == 0:
            return None
        number = 1
        while (aside := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
            number += 1
        path.rename(aside)
    return aside


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file that count: without a truncated last one, and without those that were written again.

    Says on stderr if the last line is truncated, or if lines are missing that the run had written. Raises DamagedRun,
    naming the line, if the file cannot be read or another line is damaged.
    """
    log = _Log.read(path)
    if log.torn:
        say(f"{path}: the last line is truncated, and left out", err=True)
    for problem in missing_lines(path, log.lines):
        say(f"{path}: {problem}", err=True)
    return current_lines(log.lines)


def current_lines(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that count: after a resumption, those that the run repeats do not, and of equal ones the last does.

    A run that is resumed at a step repeats what was beyond it, the evaluation on the test images, with which it ends,
    and under `repeats_evaluation` the evaluation at that step.
    """
    kept: list[dict[str, Any]] = []
    for line in lines:
        if line["split"] == EVENT:
            continue
        if line["split"] != RESUMED:
            kept.append(line)
            continue
        step = line["step"]
        ends = {"test": -1, "validation": step - bool(line.get("repeats_evaluation"))}
        kept = [earlier for earlier in kept if earlier["step"] <= ends.get(earlier["split"], step)]
    return list({(line["step"], line["split"], line.get("weights")): line for line in kept}.values())


def missing_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a log lacks that the run of its folder had written, in words: lines may be lost at its end, all of them too.

    The newest checkpoint knows how many lines there were, and a summary that the test images were evaluated.
    """
    folder = RunFolder(path.parent)
    if path != folder.metrics:
        return []
    steps = steps_in(folder.checkpoints)
    with suppress(OSError, ValueError, KeyError, TypeError):  # whoever reads the checkpoint reports its damage
        about = json.loads((folder.checkpoints / name_of(steps[-1]) / MANIFEST).read_bytes()) if steps else {}
        if len(lines) < (written := about.get("metrics_lines", 0)):
            return [f"{written - len(lines):,} of {written:,} lines are missing at its end"]
    with suppress(DamagedRun, KeyError, TypeError):
        summary = folder.read_summary() if folder.summary.exists() else {}
        ends = ("test", RESUMED)
        if summary and not any(line["split"] in ends and line["step"] >= summary["steps"] for line in lines):
            return [f"its end is missing: {folder.summary.name} has the results of step {summary['steps']}"]
    return []


class _Log(NamedTuple):
    """The whole lines of a file, the bytes of those before a truncated evaluation, and the bytes that are cut off."""

    lines: list[dict[str, Any]]
    whole_bytes: int
    torn: int

    @classmethod
    def read(cls, path: Path) -> _Log:
        """Read a file. Raises DamagedRun, naming the line."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedRun(f"{path}: the log cannot be read: {error.strerror}", help=RESTORE_LOG) from error

        *texts, last = content.split(b"\n")
        lines = [_line(path, number, text) for number, text in enumerate(texts, 1)]
        sizes = [len(text) + 1 for text in texts]

        # A truncated line may belong to the evaluation before it, which is then repeated as a whole.
        if last and lines and "weights" in lines[-1]:
            key = lines[-1]["step"], lines[-1]["split"]
            while lines and "weights" in lines[-1] and (lines[-1]["step"], lines[-1]["split"]) == key:
                lines.pop()
                sizes.pop()
        whole = sum(sizes)
        return cls(lines, whole, len(content) - whole if last else 0)


def _line(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        line = checked_content(text, CRC32)
        if not is_line(line):
            raise ValueError("it lacks the `step` and the `split` that every line has")
    except ValueError as error:
        raise DamagedRun(
            f"{path}: line {number} is damaged: {error}", help=f"{RESTORE_LOG}, or remove the line"
        ) from error
    return line


def is_line(line: object) -> bool:
    """Whether a JSON value has what every line of a log has: the number of steps done, and the split."""
    return isinstance(line, dict) and isinstance(line.get("step"), int) and isinstance(line.get("split"), str)


def _mode_under_environment(mode: WandbMode) -> WandbMode:
    """The mode, or a quieter one that WANDB_MODE asks for; the package itself ignores it if it is given a mode.

    Raises UsageError for a value that the package does not know.
    """
    value = os.environ.get(WANDB_MODE, "").strip().lower()
    if mode == "off" or not value:
        return mode
    if value not in MODES:
        raise UsageError(
            f"{WANDB_MODE} is {value}; it must be online, offline or disabled",
            help=f"correct or unset {WANDB_MODE}, or train without --wandb",
        )
    allowed = MODES[value]
    chosen = min(mode, allowed, key=QUIETEST_FIRST.index)
    if chosen != mode:
        logger.warning("--wandb %s is %s here, because %s is %s", mode, chosen, WANDB_MODE, value)
    return chosen


def start_wandb(mode: WandbMode, folder: RunFolder, config: Mapping[str, Any]) -> Any:
    """Start or continue the run of Weights & Biases of a run folder; None for `off`, which does not import the package.

    The environment variable WANDB_MODE may forbid the network (offline) or everything (disabled). The run has the
    folder's name. Its id is kept in the folder, so that a resumed run continues it there.
    Raises UsageError if the package is missing, cannot log in, finds no home folder or refuses a WANDB_ variable;
    DamagedRun if the id cannot be read; WriteError.
    """
    mode = _mode_under_environment(mode)
    if mode == "off":
        return None
    try:
        import wandb
    except ImportError as error:
        raise UsageError("--wandb needs the package wandb: pip install 'hvaedsl[train]'") from error

    made_folder(folder.path)
    run_id = folder.wandb_id()
    logger.info("starting Weights & Biases (%s, %s)", mode, run_id or "a new run")
    try:
        run = wandb.init(
            project="hvaedsl",
            name=folder.path.resolve().name,
            id=run_id,
            resume=None if run_id is None else "allow",
            dir=str(folder.path),
            config=dict(config),
            allow_val_change=True,  # such as a larger train.steps in a resumed run
            mode=mode,
        )
    except (wandb.Error, ValueError) as error:  # ValueError for a variable of the environment that cannot be read
        raise _not_started(error, mode) from error
    except RuntimeError as error:  # pathlib's, for a user whose home folder is unknown
        raise UsageError(
            f"Weights & Biases: {indented(error).rstrip('.')}",
            help="set HOME to a folder that you may write to, or train without --wandb",
        ) from error

    if run_id is None:
        folder.write_json(folder.wandb_identity, {"id": str(run.id)})
    return run


def _not_started(error: Exception, mode: WandbMode) -> UsageError:
    """The error for a run that the package refuses to start, with the variables that it may have read."""
    reason = indented(error).rstrip(".")
    if isinstance(error, ValidationError):
        found = error.errors()
        reason = "; ".join(f"WANDB_{str(each['loc'][0]).upper()} is {each['input']!r}: {each['msg']}" for each in found)

    login = "--wandb offline needs no login"
    names = sorted(name for name in os.environ if name.startswith("WANDB_") and name != WANDB_MODE)
    if not names:
        return UsageError(f"Weights & Biases: {reason}", help=login if mode == "online" else "train without --wandb")
    way_out = f"correct or unset {listing(names)}, or train without --wandb"
    return UsageError(f"Weights & Biases: {reason}", help=f"{way_out}; {login}" if mode == "online" else way_out)


def _is_unmeasured(lines: Sequence[Metrics]) -> bool:
    """Whether lines are not measured values."""
    return any(line["split"] in (RESUMED, EVENT) for line in lines)


def _json_line(metrics: Metrics) -> str:
    return checked_text(metrics, CRC32) + "\n"
