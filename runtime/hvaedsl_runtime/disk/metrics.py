"""Metrics: one JSON object per line, and optionally Weights & Biases."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.errors import DamagedRun, UsageError
from hvaedsl.diagnostics.printable import indented
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.ir.run_options import WandbMode
from hvaedsl_runtime.disk.folder_lock import LATE_SECONDS, check_owned
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import append_whole, made_folder, write_whole

Metrics = Mapping[str, int | float | bool | str | list[float]]

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

RESTORE_LOG = "restore the file from a backup"

logger = logging.getLogger(__name__)


class MetricsLog:
    """The metrics of a run, appended to a file. `step` is the number of steps done when it is opened.

    A line has the number of steps done (`step`), the `split`, and the measured values; numbers that are not finite are
    written as null. Lines that a resumed run will write again are dropped on opening: those beyond `step`, those of the
    test split, with which a run ends, an evaluation with a truncated line, which a power cut can leave, and with
    `repeats_evaluation` the evaluation at `step`.

    Raises DamagedRun for a file that is not a log. All methods that write raise WriteError.
    """

    def __init__(self, path: Path, step: int, wandb_run: Any = None, *, repeats_evaluation: bool = False) -> None:
        lines, truncated = _lines(path) if path.exists() else ([], False)

        # The truncated line may belong to the evaluation before it, which is then repeated as a whole.
        if truncated and lines:
            last = lines[-1]
            while lines and "weights" in lines[-1] and all(lines[-1][key] == last[key] for key in ("step", "split")):
                lines.pop()

        ends = {"test": -1, "validation": step - repeats_evaluation}
        kept = [line for line in lines if line["step"] <= ends.get(line["split"], step)]
        logger.debug("%s: keeping %d of %d lines", path, len(kept), len(lines))
        write_whole(path, "".join(_json_line(line) for line in kept))
        self.evaluated_step = max((line["step"] for line in kept if line["split"] == "validation"), default=0)
        self._path = path
        self._wandb_run = wandb_run
        with refusals_explained(path):
            self._file = path.open("ab", buffering=0)

    def write(self, *lines: Metrics) -> None:
        """Append lines together: a killed process or a full disk leaves all of them or none.

        Raises RunFolderInUse if another process has taken over the folder while this one was stopped.
        """
        check_owned(self._path, within=LATE_SECONDS)
        with refusals_explained(self._path):
            append_whole(self._file, "".join(map(_json_line, lines)).encode())

        for metrics in lines if self._wandb_run is not None else ():
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


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file, without a truncated last line.

    Raises DamagedRun if the file cannot be read, or if another line is not one of a log.
    """
    return _lines(path)[0]


def _lines(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """The complete lines, and whether a truncated last one follows them. Raises DamagedRun."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise DamagedRun(f"{path}: the log cannot be read: {reason}", help=RESTORE_LOG) from error

    metrics: list[dict[str, Any]] = []
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            if number < len(lines):
                raise DamagedRun(
                    f"{path}: line {number} is not JSON", help=f"remove the line, or {RESTORE_LOG}"
                ) from error
            break
        if not is_line(line):
            raise DamagedRun(
                f"{path}: line {number} is not one of a log, which has a `step` and a `split`",
                help=f"remove the line, or {RESTORE_LOG}",
            )
        metrics.append(line)
    return metrics, len(metrics) < len(lines)


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
    Raises UsageError if the package is missing, cannot log in or finds no home folder, and for an unknown WANDB_MODE;
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
    except wandb.Error as error:
        raise UsageError(
            f"Weights & Biases: {indented(error).rstrip('.')}", help="--wandb offline needs no login"
        ) from error
    except RuntimeError as error:  # pathlib's, for a user whose home folder is unknown
        raise UsageError(
            f"Weights & Biases: {indented(error).rstrip('.')}",
            help="set HOME to a folder that you may write to, or train without --wandb",
        ) from error

    if run_id is None:
        folder.write_json(folder.wandb_identity, {"id": str(run.id)})
    return run


def _json_line(metrics: Metrics) -> str:
    return json_text(metrics) + "\n"
