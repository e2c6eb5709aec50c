"""The folder of a sweep: what lies where, whose sweep it is, and that one process at a time works in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, RunFolderInUse, RunMismatch
from hvaedsl_runtime.disk.run_folder import CHANGEABLE, RunFolder, spec_differences
from hvaedsl_runtime.disk.whole_files import made_folder, refusals_explained, write_whole
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.sweep.plan import Point, SweepPlan

# A run whose sweep was killed saves its checkpoint first; so long the next sweep waits for it.
PATIENCE_SECONDS = 20.0
NOT_COMPARED = CHANGEABLE - {"train.steps"}


@dataclass(frozen=True)
class SweepFolder:
    """A sweep folder and the files in it."""

    path: Path

    @property
    def plan(self) -> Path:
        """The points, the seeds, and the spec of each point."""
        return self.path / "sweep.json"

    def result(self, suffix: str) -> Path:
        """The results: `json`, `csv` (a line a run), `txt` (the table), `png` and `svg` (the plot)."""
        return self.path / f"results.{suffix}"

    def run(self, point: Point, seed: int) -> RunFolder:
        """The folder of a run, as `hvaedsl train` writes it."""
        return RunFolder(self.path / "points" / point.name / f"seed-{seed}")

    def failure_path(self, point: Point, seed: int) -> Path:
        """Where a failed run's reason stands, beside its folder: that may not have been made."""
        return self.path / "points" / point.name / f"seed-{seed}.failed.json"

    def failure(self, point: Point, seed: int) -> Failure | None:
        """Why a run failed; None where it did not, or has not run. Raises RunError (5) for a spoilt file."""
        path = self.failure_path(point, seed)
        if not path.exists():
            return None
        try:
            return Failure.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise DamagedRun(
                f"{path}: found no failure in it", help="remove the file: the run is then tried again"
            ) from None

    def record_failure(self, point: Point, seed: int, failure: Failure) -> None:
        """Write a failure down. Raises WriteError."""
        path = self.failure_path(point, seed)
        write_whole(made_folder(path.parent) / path.name, failure.model_dump_json(indent=2) + "\n")

    def forget_failure(self, point: Point, seed: int) -> None:
        """Remove what was written down of a failure, if anything was. Raises WriteError."""
        path = self.failure_path(point, seed)
        with refusals_explained(path):
            path.unlink(missing_ok=True)

    def take(self, plan: SweepPlan) -> str:
        """Make the folder this plan's, or find that it is; what was added to the plan before, else nothing.

        Raises RunError (5) for a folder with other files in it, or with a sweep of which this plan is no extension.
        """
        before = self.read_plan()
        added = "" if before is None else self._extension(before, plan)
        if before is None and self.path.is_dir() and any(item.name != LOCK for item in self.path.iterdir()):
            raise RunFolderInUse(
                f"{self.path} is not empty, and holds no sweep: {self.plan.name} is missing",
                help="name another folder with --out",
            )
        write_whole(self.plan, plan.model_dump_json(indent=2) + "\n")
        return added

    def read_plan(self) -> SweepPlan | None:
        """The plan in the folder; None where there is none. Raises RunError (5) for one that cannot be read."""
        if not self.plan.exists():
            return None
        try:
            return SweepPlan.model_validate_json(self.plan.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            place = f" at {error.errors()[0]['loc']}" if isinstance(error, ValidationError) else ""
            raise DamagedRun(
                f"{self.plan}: not the plan of a sweep of this version{place}",
                help="name another folder with --out; the runs in this one are ordinary run folders",
            ) from None

    def _extension(self, before: SweepPlan, now: SweepPlan) -> str:
        """What `now` adds to `before`. Raises RunError (5) where it changes something."""
        self._same_axes(before, now)
        points = {point.name: point for point in now.points}
        missing = [point.name for point in before.points if point.name not in points]
        if missing:
            self._changed(f"its point{'s' * (len(missing) > 1)} {', '.join(missing)} would be left out")
        seeds = [seed for seed in before.seeds if seed not in now.seeds]
        if seeds:
            self._changed(f"its seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} would be left out")
        for old in before.points:
            then, today = (hvaedsl.loads(point.spec).spec for point in (old, points[old.name]))
            differences = spec_differences(then, today, NOT_COMPARED, "there")
            if differences:
                self._changed(f"at the point {old.name}, {'; '.join(differences)}")
        known = {point.name for point in before.points}
        more = [point.name for point in now.points if point.name not in known]
        more += [f"seed {seed}" for seed in now.seeds if seed not in before.seeds]
        return ", ".join(more)

    def _same_axes(self, before: SweepPlan, now: SweepPlan) -> None:
        if before.model != now.model:
            self._changed(f"it is of {before.model}, not of {now.model}")
        names = [{axis.name for axis in plan.axes} for plan in (before, now)]
        if names[0] != names[1]:
            told = [" and ".join(sorted(several)) or "seeds only" for several in names]
            self._changed(f"it varies {told[0]}, not {told[1]}")

    def _changed(self, difference: str) -> NoReturn:
        raise RunMismatch(
            f"{self.path} holds another sweep: {difference}",
            help="add points or seeds to the sweep in it, or name another folder with --out",
        )

    @contextmanager
    def locked(self) -> Iterator[int | None]:
        """Hold the folder for this process and its children; the lock's descriptor, None where there are no locks.

        Raises RunError (5) where the folder cannot be made, and where another process keeps on working in it.
        """
        with refusals_explained(self.path, "name another with --out"):
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield descriptor if self._lock(descriptor) else None
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> bool:
        if os.name != "posix":
            return False
        import fcntl

        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise RunFolderInUse(
                        f"another process works in {self.path}",
                        help="wait for it or stop it, or name another folder with --out",
                    ) from None
                time.sleep(0.1)
            except OSError:  # a file system without locks
                return False
            else:
                return True


LOCK = ".lock"
