"""A finding about a run: what it is, where it is seen, why it matters, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hvaedsl.diagnostics.errors import HvaedslError
from hvaedsl.diagnostics.shell import command_line
from hvaedsl_runtime.disk.run_folder import RunFolder


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run. `kind` names it for programs; `step` is None for a file as a whole."""

    kind: str
    what: str
    file: Path
    why: str
    help: str
    step: int | None = None

    @classmethod
    def of(cls, error: HvaedslError, kind: str, file: Path, why: str, step: int | None = None) -> Finding:
        """The finding for an error that a file raises."""
        return cls(kind, str(error), file, why, error.help, step)


def resume_command(folder: RunFolder, *sets: str, changed: bool = False) -> str:
    """The command that resumes a run, with overrides; `changed` if they are of keys that a run keeps otherwise."""
    words = [word for value in sets for word in ("--set", value)] + ["--allow-changed"] * changed
    return command_line("hvaedsl", "train", folder.spec, "--out", folder.path, "--resume", *words)


def retrain_command(folder: RunFolder, *sets: str) -> str:
    """The command that trains the spec of a run from scratch into another folder, with overrides."""
    # `.` and `..` are no names that another one could be made of.
    path = folder.path if folder.path.name not in ("", "..") else folder.path.resolve()
    other = path.with_name(f"{path.name}-2")
    words = [word for value in sets for word in ("--set", value)]
    return command_line("hvaedsl", "train", folder.spec, "--out", other, *words)
