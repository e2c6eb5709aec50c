"""Every file of a run folder: those that are damaged, unreadable or missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, HvaedslError, SpecError
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.program import Program
from hvaedsl_runtime.disk.checked_json import read_checked
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint
from hvaedsl_runtime.disk.checkpoint_folder import verify
from hvaedsl_runtime.disk.checkpoint_names import BEST, FORMER_BEST, name_of, step_of
from hvaedsl_runtime.disk.metrics import missing_lines
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.saved_checkpoints import Best, best_path, candidates, read_best
from hvaedsl_runtime.doctor.finding import Finding, resume_command, retrain_command
from hvaedsl_runtime.doctor.run_log import RunLog

# Folders of pictures that training draws.
PICTURES = ("samples", "reconstructions")
# Lines of a log, and pictures, that one finding names; the others are counted.
NAMED = 3
RESTORE = "restore it from a backup"
# Other files with a checksum of their own, by what reads them.
OTHERS = {"summary.json": "compare, report and sweep", "wandb.json": "train --wandb", "conversion.json": "people"}


@dataclass
class Files:
    """What the files of a run hold, as far as they can be read, and what is wrong with the others.

    `recorded` is the content of run.json, `summary` that of summary.json; `program` is that of the newest whole
    checkpoint, or of spec.hvae.
    """

    folder: RunFolder
    log: RunLog
    is_running: bool
    findings: list[Finding] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)  # of the whole checkpoints
    recorded: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    best: Best | None = None
    program: Program | None = None

    @classmethod
    def read(cls, folder: RunFolder, *, is_running: bool) -> Files:
        """Read every file of a run."""
        files = cls(folder, RunLog.read(folder.metrics), is_running)
        files.findings += files._of_identity()
        files.findings += files._of_checkpoints()
        files.findings += files._of_spec()
        files.findings += files._of_others()
        files.findings += files._of_best()
        files.findings += files._of_logs()
        files.findings += _of_pictures(folder)
        return files

    @property
    def is_converted(self) -> bool:
        """Whether the run was imported from published files, and has no log until it is trained further."""
        return (self.folder.path / "conversion.json").exists()

    def _of_identity(self) -> Iterator[Finding]:
        path = self.folder.identity
        why = "it has the name of the model, and what the spec and the images were when the run began"
        try:
            self.recorded = read_checked(path, f"{RESTORE}; without it, spec and images are not compared any more")
        except DamagedRun as error:
            if not path.exists():
                yield Finding("missing-file", f"{path} is missing", path, why, f"{RESTORE}, or train on without it")
                return
            yield Finding.of(error, "damaged-file", path, why)
            return
        if not isinstance(self.recorded.get("name"), str):
            help_ = 'write {"name": "NAME"} into it, or remove it to use the name of the spec file'
            yield Finding("damaged-file", f"{path}: no model name in it", path, why, help_)

    def _of_checkpoints(self) -> Iterator[Finding]:
        folder = self.folder.checkpoints
        try:
            found = candidates(folder)
            former = folder / FORMER_BEST
            found += [former] * former.exists()
            aside = sorted(folder.glob("step-*.damaged*")) if folder.is_dir() else []
        except OSError as error:
            yield _unreadable(folder, error, "the run can neither be resumed nor evaluated")
            return

        for path in found:
            yield from self._of_checkpoint(path)
        for path in aside:
            yield _set_aside(path)

        had_one = self.recorded.get("has_checkpoint", True)
        if not found and not self.is_running and had_one and (self.log.last_step or self.folder.summary.exists()):
            what = f"{folder} has no checkpoint, and the run has taken {counted(self.log.last_step, 'step')}"
            help_ = f"{RESTORE}, or train again: {retrain_command(self.folder)}"
            yield Finding("missing-file", what, folder, "without one, the run cannot be resumed or evaluated", help_)

    def _of_checkpoint(self, path: Path) -> Iterator[Finding]:
        """What is wrong with a checkpoint. The newest whole one gives the program."""
        step = step_of(path)
        try:
            checkpoint = load_checkpoint(path)
            step = checkpoint.step
            weights = {kind: _tensors(checkpoint[part]) for kind, part in (("raw", "model"), ("averaged", "ema"))}
        except HvaedslError as error:
            if not (self.is_running and not path.exists()):  # training has removed it since
                yield Finding.of(error, "damaged-file", path, "the run cannot be resumed from it or evaluated", step)
            return

        if path.name != FORMER_BEST:
            self.steps.append(step)
            self.program = self.program or _program(checkpoint)
        for kind, tensors in weights.items():
            if (what := first_not_finite(tensors)) is not None:
                yield Finding(
                    "weights-not-finite",
                    f"in the {kind} weights after step {step}, {what}",
                    path,
                    "such weights never recover: everything that is computed with them is NaN",
                    f"use an earlier checkpoint (--checkpoint STEP), or train again with a lower learning rate: "
                    f"{retrain_command(self.folder, 'train.learning_rate=RATE')}",
                    step,
                )

    def _of_spec(self) -> Iterator[Finding]:
        path = self.folder.spec
        why = "it is the experiment: commands on the run use the spec in the checkpoint in its place"
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            help_ = f"{RESTORE}, or copy `spec` out of {self.folder.checkpoint / 'state.json'}"
            yield Finding("missing-file", f"{path} is missing", path, "without it, this is no run folder", help_)
            return
        except OSError as error:
            yield _unreadable(path, error, why)
            return

        changed: str | None = None
        with suppress(DamagedRun, TypeError):  # of run.json, which is reported as such
            changed = self.folder.changed_spec()
        if changed is not None:
            help_ = f"{RESTORE}; to train a changed spec, use another folder with --out, or --allow-changed"
            yield Finding("changed-spec", changed, path, why, help_)
            return
        try:
            program = hvaedsl.loads(text.decode(), path=path)
        except (SpecError, UnicodeDecodeError) as error:
            reason = error.diagnostics[0].message if isinstance(error, SpecError) else "it is not text in UTF-8"
            yield Finding("damaged-file", f"{path} does not compile: {reason}", path, why, RESTORE)
            return
        self.program = self.program or program

    def _of_others(self) -> Iterator[Finding]:
        names = {**OTHERS, **{path.name: "report" for path in self.folder.path.glob("eval_*.json")}}
        for name, readers in names.items():
            path = self.folder.path / name
            if not path.exists():
                continue
            way = {"summary.json": f"remove it, and {resume_command(self.folder)} writes it again"}
            try:
                content = read_checked(path, way.get(name, "remove it; the command that wrote it writes it again"))
            except DamagedRun as error:
                yield Finding.of(error, "damaged-file", path, f"it cannot be read by {readers}")
                continue
            if name == self.folder.summary.name:
                self.summary = content

    def _of_best(self) -> Iterator[Finding]:
        path = best_path(self.folder.checkpoints)
        why = "it says which checkpoint `--checkpoint best` and `train.stop_after` use"
        try:
            self.best = read_best(self.folder.checkpoints)
        except DamagedRun as error:
            yield Finding.of(error, "damaged-file", path, why)
            return
        if self.best is not None and not (self.folder.checkpoints / name_of(self.best.step)).is_dir():
            what = f"{BEST} names the checkpoint of step {self.best.step}, which is missing"
            yield Finding("missing-file", what, path, why, f"{RESTORE}, or use --checkpoint last", self.best.step)

    def _of_logs(self) -> Iterator[Finding]:
        """What is wrong with the log, and with earlier logs: a run that starts over renames the one it finds."""
        yield from _of_log(self.log, self.folder, self.is_running)
        for path in sorted(self.folder.path.glob(f"{self.folder.metrics.stem}-*{self.folder.metrics.suffix}")):
            yield from _of_log(RunLog.read(path), self.folder, self.is_running)
        if self.log.exists and not (self.log.damaged or self.log.unreadable or self.is_running):
            for problem in missing_lines(self.log.path, self.log.lines):
                why = "the curves of the run have a gap there; its weights are not affected"
                yield Finding("log-gap", f"{self.log.path}: {problem}", self.log.path, why, RESTORE)
        if not self.log.exists and not self.is_converted and any(self.steps):
            why = "the curves, the events and the evaluations of the run are lost; it can be resumed all the same"
            yield Finding("missing-file", f"{self.log.path} is missing", self.log.path, why, RESTORE)


def _of_log(log: RunLog, folder: RunFolder, is_running: bool) -> Iterator[Finding]:
    why = "the curves and the commands that read the log cannot be trusted beyond it"
    if log.unreadable is not None:
        yield Finding("damaged-file", f"{log.path}: cannot be read: {log.unreadable}", log.path, why, RESTORE)
    for line, reason in log.damaged[:NAMED]:
        what, help_ = f"{log.path}: line {line} is damaged: {reason}", f"{RESTORE}, or remove the line"
        yield Finding("damaged-file", what, log.path, "resume, compare and report refuse such a log", help_)
    if len(log.damaged) > NAMED:
        what = f"{log.path}: {counted(len(log.damaged) - NAMED, 'more line')} damaged"
        yield Finding("damaged-file", what, log.path, "resume, compare and report refuse such a log", RESTORE)
    if log.is_torn and not is_running:
        what = f"{log.path}: its last line is truncated"
        help_ = f"nothing by hand; it is cut off by {resume_command(folder)}"
        yield Finding(
            "truncated-log", what, log.path, "the machine or the disk stopped in the middle of a write", help_
        )


def _of_pictures(folder: RunFolder) -> Iterator[Finding]:
    from PIL import Image

    damaged: list[tuple[Path, str]] = []
    for path in (path for name in PICTURES for path in sorted((folder.path / name).glob("*.png"))):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about large pictures
                with Image.open(path) as picture:
                    picture.verify()  # the checksums
                with Image.open(path) as picture:
                    picture.load()  # the pixels
        except Exception as error:  # a damaged file can raise nearly any
            damaged.append((path, str(error).partition(": ")[0] if isinstance(error, OSError) else "it is damaged"))
    for path, reason in damaged[:NAMED]:
        what = f"{path}: the picture cannot be decoded: {reason}"
        more = f" ({len(damaged) - NAMED} more cannot either)" if len(damaged) > NAMED and path == damaged[0][0] else ""
        help_ = "remove it; hvaedsl sample and hvaedsl reconstruct draw others"
        yield Finding("damaged-file", what + more, path, "only people look at it: training does not need it", help_)


def _set_aside(path: Path) -> Finding:
    """The finding for a checkpoint that training found damaged, with the file that is."""
    try:
        verify(path)
        reason = "it is whole now"
    except HvaedslError as error:
        reason = str(error)
    except (KeyError, TypeError, AttributeError):
        reason = "its manifest is that of no checkpoint"
    return Finding(
        "damaged-checkpoint",
        f"{path.name} is a checkpoint that was found damaged and set aside: {reason}",
        path,
        "the run went on from the one before it; damage that comes again is that of the disk or of the memory",
        "check the disk; remove the folder once it is not needed any more",
    )


def _program(checkpoint: Checkpoint) -> Program | None:
    """The program of a checkpoint; None if its spec does not compile in this version."""
    try:
        return hvaedsl.loads(checkpoint.spec)
    except (SpecError, TypeError, AttributeError):
        return None


def _tensors(part: object) -> dict[str, Tensor]:
    items = part.items() if isinstance(part, Mapping) else ()
    return {str(name): value for name, value in items if isinstance(value, Tensor)}


def _unreadable(path: Path, error: OSError, why: str) -> Finding:
    what = f"{path}: cannot be read: {error.strerror or error}"
    return Finding("damaged-file", what, path, why, "make it readable, or restore it from a backup")
