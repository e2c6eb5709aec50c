"""The folder of a sweep: its files, the check that it belongs to a plan, and its lock."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, RunFolderInUse, RunMismatch
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl_runtime.disk.checked_json import checked_model, write_checked_model
from hvaedsl_runtime.disk.folder_lock import folder_lock, is_of_lock
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.spec_changes import CHANGEABLE, spec_differences
from hvaedsl_runtime.disk.whole_files import made_folder
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.sweep.plan import Point, SweepPlan

NOT_COMPARED = CHANGEABLE - {"train.steps", "train.stop_after"}


@dataclass(frozen=True)
class SweepFolder:
    """A sweep folder and the files in it."""

    path: Path

    @property
    def plan(self) -> Path:
        """The plan: the points, the seeds, and the spec of each point."""
        return self.path / "sweep.json"

    def result(self, suffix: str) -> Path:
        """A file of results: `json`, `csv` (one line per run), `txt` (the table), `png` or `svg` (the plot)."""
        return self.path / f"results.{suffix}"

    def run(self, point: Point, seed: int) -> RunFolder:
        """The folder of a run, an ordinary run folder of `hvaedsl train`."""
        return RunFolder(self.path / "points" / point.name / f"seed-{seed}")

    def failure_path(self, point: Point, seed: int) -> Path:
        """The file with the reason why a run failed, next to the folder of the run, which may not exist."""
        return self.path / "points" / point.name / f"seed-{seed}.failed.json"

    def failure(self, point: Point, seed: int) -> Failure | None:
        """The reason why a run failed; None if it did not fail or has not run. Raises DamagedRun."""
        path = self.failure_path(point, seed)
        if not path.exists():
            return None

        try:
            return checked_model(Failure, path)
        except (OSError, ValueError):
            raise DamagedRun(
                f"{path}: not the failure of a run", help="remove the file, and the run is retried"
            ) from None

    def record_failure(self, point: Point, seed: int, failure: Failure) -> None:
        """Write the reason why a run failed. Raises WriteError."""
        path = self.failure_path(point, seed)
        write_checked_model(made_folder(path.parent) / path.name, failure)

    def forget_failure(self, point: Point, seed: int) -> None:
        """Remove the failure of a run, if there is one. Raises WriteError."""
        path = self.failure_path(point, seed)
        with refusals_explained(path):
            path.unlink(missing_ok=True)

    def claim(self, plan: SweepPlan) -> str:
        """Write the plan into the folder, and return what it adds to the plan that was there, or an empty string.

        Raises RunFolderInUse if the folder has other files, RunMismatch if its sweep is not part of the plan,
        DamagedRun, WriteError.
        """
        before = self.read_plan()
        added = "" if before is None else self._extension(before, plan)
        if before is None and self.path.is_dir() and not all(map(is_of_lock, self.path.iterdir())):
            raise RunFolderInUse(
                f"{self.path} is not empty and has no sweep: {self.plan.name} is missing",
                help=ANOTHER_FOLDER,
            )

        write_checked_model(self.plan, plan)
        return added

    def read_plan(self) -> SweepPlan | None:
        """The plan in the folder, or None. Raises DamagedRun."""
        if not self.plan.exists():
            return None

        try:
            return checked_model(SweepPlan, self.plan)
        except (OSError, ValueError) as error:
            place = f" at {error.errors()[0]['loc']}" if isinstance(error, ValidationError) else f": {error}"
            raise DamagedRun(
                f"{self.plan}: cannot be read as a sweep plan of this version{place}",
                help=f"{ANOTHER_FOLDER}; the runs in this one are ordinary run folders",
            ) from None

    def _extension(self, before: SweepPlan, now: SweepPlan) -> str:
        """The points and seeds that `now` adds to `before`. Raises RunMismatch if it changes anything else."""
        self._check_axes(before, now)

        # Points and seeds may be added, not removed.
        points = {point.name: point for point in now.points}
        missing = [point.name for point in before.points if point.name not in points]
        if missing:
            self._reject(f"its point{'s' * (len(missing) > 1)} {', '.join(missing)} would be removed")
        seeds = [seed for seed in before.seeds if seed not in now.seeds]
        if seeds:
            self._reject(f"its seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} would be removed")

        # The specs of the points may differ in keys that do not affect the results.
        for old in before.points:
            old_spec, new_spec = (hvaedsl.loads(point.spec).spec for point in (old, points[old.name]))
            differences = spec_differences(old_spec, new_spec, NOT_COMPARED, "in the folder")
            if differences:
                self._reject(f"at the point {old.name}, {'; '.join(differences)}")

        known = {point.name for point in before.points}
        added = [point.name for point in now.points if point.name not in known]
        added += [f"seed {seed}" for seed in now.seeds if seed not in before.seeds]
        return ", ".join(added)

    def _check_axes(self, before: SweepPlan, now: SweepPlan) -> None:
        if before.model != now.model:
            self._reject(f"its model is {before.model}, not {now.model}")
        names = [{axis.name for axis in plan.axes} for plan in (before, now)]
        if names[0] != names[1]:
            old, new = (" and ".join(sorted(varied)) or "only seeds" for varied in names)
            self._reject(f"it varies {old}, not {new}")

    def _reject(self, difference: str) -> NoReturn:
        raise RunMismatch(
            f"{self.path} has a different sweep: {difference}",
            help=f"only add points or seeds, or {ANOTHER_FOLDER}",
        )

    def locked(self) -> AbstractContextManager[int | None]:
        """Lock the folder for this process and its children; yields the descriptor, or None without locks.

        Raises WriteError if the folder cannot be created, and RunFolderInUse if another process keeps the lock.
        """
        return folder_lock(self.path, ANOTHER_FOLDER)
