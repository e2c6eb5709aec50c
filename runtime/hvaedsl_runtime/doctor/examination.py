"""Examine a run folder: its state, what its files and its log show, and what to try; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hvaedsl.diagnostics.numbers import counted
from hvaedsl_runtime.disk.run_folder import RunFolder, require_run
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.doctor.evaluations import Evaluations, of_evaluations
from hvaedsl_runtime.doctor.files import Files
from hvaedsl_runtime.doctor.finding import Finding
from hvaedsl_runtime.doctor.run_state import RunState, facts_of, lock_of, of_state, state_of
from hvaedsl_runtime.doctor.updates import Training, of_training


@dataclass(frozen=True)
class Examination:
    """A run folder with its state, facts in words, and findings, the most basic ones first."""

    folder: Path
    state: RunState
    facts: tuple[str, ...]
    findings: tuple[Finding, ...]


def examine(path: Path) -> Examination:
    """Read a run folder, which is not changed. Raises RunNotFound if there is none at the path.

    A folder whose spec is gone is one if it has another file of a run.
    """
    folder = RunFolder(path)
    if not any(part.exists() for part in (folder.identity, folder.metrics, folder.checkpoints)):
        folder = require_run(path)

    lock, unreadable = lock_of(folder)
    files = Files.read(folder, is_running=lock is not None and not lock.is_stale)
    state = state_of(files)
    spec = files.program.spec.train if files.program is not None else None
    findings = [
        *([unreadable] if unreadable is not None else []),
        *files.findings,
        *of_state(files, state, lock),
        *of_training(Training(folder, files.log, spec)),
        *of_evaluations(Evaluations(folder, files.log, files.program)),
    ]
    return Examination(path, state, tuple(facts_of(files, lock)), tuple(findings))


def examination_lines(examination: Examination) -> Iterator[str]:
    """The lines of an examination as a command prints them."""
    yield f"{examination.folder}: {examination.state}"
    for fact in examination.facts:
        yield f"  {fact}"
    for position, found in enumerate(examination.findings, 1):
        place = _relative(found.file, examination.folder)
        yield ""
        yield f"{position}. {found.what}"
        yield f"   where: {place}" + ("" if found.step is None else f", step {found.step:,}")
        yield f"   why:   {found.why}"
        yield f"   try:   {found.help}"
    yield ""
    yield counted(len(examination.findings), "finding") if examination.findings else "nothing is wrong"


def examination_json(examination: Examination) -> str:
    """The examination as JSON: `run`, `state`, `step`, `steps`, `facts`, and `findings` with all of their fields."""
    state = examination.state
    rows = [
        {
            "kind": found.kind,
            "what": found.what,
            "file": str(found.file),
            "step": found.step,
            "why": found.why,
            "help": found.help,
        }
        for found in examination.findings
    ]
    about = {"run": str(examination.folder), "state": state.name, "step": state.step, "steps": state.steps}
    return json_text({**about, "facts": list(examination.facts), "findings": rows}, indent=2)


def _relative(path: Path, folder: Path) -> str:
    found = path.relative_to(folder) if folder in (path, *path.parents) else path
    return str(path) if found == Path() else str(found)
