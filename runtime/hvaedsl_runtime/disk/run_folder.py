"""The folder of a run: its files, and when it may be written into."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.errors import DamagedRun, RunFolderInUse, RunNotFound, UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl.diagnostics.shell import path_word
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.program import RUN_SPEC
from hvaedsl.shipped import spec_names
from hvaedsl_runtime.disk.checked_json import read_checked, write_checked
from hvaedsl_runtime.disk.checkpoint_names import FORMER_LAST, name_of, steps_in
from hvaedsl_runtime.disk.folder_lock import check_unlocked, folder_lock, is_of_lock
from hvaedsl_runtime.disk.whole_files import A_STREAM, check_writable, is_stream, partial_name, write_whole

RUNS = Path("runs")
# Files of a folder that a message names; the others are counted.
NAMED = 3


@dataclass(frozen=True)
class RunLength:
    """What the epochs of a run are in steps, with the number of training images of which they were computed."""

    steps: int
    training_images: int


@dataclass(frozen=True)
class RunFolder:
    """A run folder and the files in it."""

    path: Path

    @property
    def spec(self) -> Path:
        """The resolved spec, which compiles without other files."""
        return self.path / RUN_SPEC

    @property
    def identity(self) -> Path:
        """The model's name, which the resolved spec lacks: it is the stem of the original spec file; and the images."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """The metrics, one JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints, one folder for each step, and of best.json."""
        return self.path / "checkpoints"

    @property
    def checkpoint(self) -> Path:
        """The newest complete checkpoint, or the file in which earlier versions had it; it may be missing."""
        step = self.newest_step()
        return self.checkpoints / (FORMER_LAST if step is None else name_of(step))

    def newest_step(self) -> int | None:
        """The step of the newest complete checkpoint, read from the disk; None without one, or of an earlier format."""
        return max(steps_in(self.checkpoints), default=None)

    @property
    def summary(self) -> Path:
        """The final results."""
        return self.path / "summary.json"

    @property
    def wandb(self) -> Path:
        """The files of Weights & Biases, if it is used; they are the first to be written."""
        return self.path / "wandb"

    @property
    def wandb_identity(self) -> Path:
        """The id of the run at Weights & Biases, if it is used."""
        return self.path / "wandb.json"

    def wandb_id(self) -> str | None:
        """The id of the run at Weights & Biases; None if it has none yet. Raises DamagedRun for a damaged file."""
        if not self.wandb_identity.exists():
            return None
        way_out = "remove it to start another run at Weights & Biases"
        found = read_checked(self.wandb_identity, way_out)
        if "id" not in found:
            raise DamagedRun(f"{self.wandb_identity}: no id of a run in it", help=way_out)
        return str(found["id"])

    def owns(self, path: Path) -> bool:
        """Whether a path in the folder is that of a file which only the run itself writes. Both paths are resolved."""
        files = (self.spec, self.identity, self.metrics, self.summary, self.wandb_identity)
        folders = (self.checkpoints, self.wandb)
        is_file = path in (*files, *map(partial_name, files)) or (path.parent == self.path and is_of_lock(path))
        return is_file or any(folder in (path, *path.parents) for folder in folders)

    def picture(self, kind: str, name: str) -> Path:
        """A picture; `kind` is `samples` or `reconstructions`."""
        return self.path / kind / f"{name}.png"

    @contextmanager
    def claimed(self, resume: bool) -> Iterator[None]:
        """Keep the folder, which is created if it is missing, for the run of this process, or for one that is resumed.

        Raises RunFolderInUse if another process trains in it, and as `check_free` does; RunNotFound; WriteError.
        """
        if not resume:
            check_unlocked(self.path)
        self.check_free(resume)
        with folder_lock(self.path, "" if self.spec.exists() else ANOTHER_FOLDER):
            self.check_free(resume)  # another process may have begun a run since
            yield

    def check_free(self, resume: bool) -> None:
        """Raise RunFolderInUse if the folder has content, unless it has a run that is resumed.

        Raises RunNotFound for a folder to resume in that has no run, or that looks like another which is there.
        """
        with refusals_explained(self.path, ANOTHER_FOLDER):
            if not self.path.exists():
                if resume and (other := other_form(self.path)) is not None:
                    raise RunNotFound(f"{self.path}: no such folder", help=other.help)
                return
            if not self.path.is_dir():
                raise RunFolderInUse(f"{self.path} is not a folder", help=ANOTHER_FOLDER)
            if self._is_unused():
                return
            content = content_of(self.path)
        if not resume and not self.spec.exists():
            raise RunFolderInUse(f"{self.path} is not empty and has no run: it has {content}", help=ANOTHER_FOLDER)
        if not resume:
            raise RunFolderInUse(
                f"{self.path} is not empty",
                help=f"resume the run in it with --resume, or {ANOTHER_FOLDER}",
            )
        if not self.spec.exists():
            raise RunNotFound(
                f"{self.path} is not empty and has no run to resume: {self.spec.name} is missing",
                help="name the folder of a run, or an empty one, with --out",
            )

    def _is_unused(self) -> bool:
        """Whether the folder is empty, or has only files of a run that ended inside `begin`."""
        made = {self.identity, self.wandb_identity}
        made |= set(map(partial_name, (self.identity, self.wandb_identity, self.spec)))
        files = (path for path in self.path.rglob("*") if not path.is_dir())
        return all(path in made or is_of_lock(path) or self.wandb in path.parents for path in files)

    def _recorded(self) -> dict[str, Any]:
        """The content of run.json; empty if it is missing. Raises DamagedRun for a damaged file."""
        if not self.identity.exists():
            return {}
        return read_checked(
            self.identity,
            "restore it from a backup; without it, the name of the spec file is used, and the images are not compared",
        )

    def model_name(self) -> str | None:
        """The name of the model trained here; None if no run has begun. Raises DamagedRun for a damaged file."""
        if not self.spec.exists() or not self.identity.exists():
            return None
        recorded = self._recorded()
        if "name" not in recorded:
            raise DamagedRun(
                f"{self.identity}: no model name in it",
                help='write {"name": "NAME"} into it, or remove it to use the name of the spec file',
            )
        return str(recorded["name"])

    def read_summary(self) -> dict[str, Any]:
        """The final results. Raises DamagedRun if the file cannot be read."""
        return read_checked(self.summary, "remove it and resume the run, which writes it again")

    def part_folders(self) -> tuple[Path, ...]:
        """The folders of custom modules when the run began; empty if it uses none. Raises DamagedRun."""
        found = self._recorded().get("part_folders")
        return tuple(map(Path, found)) if isinstance(found, list) else ()

    def recorded_images(self) -> Mapping[str, Mapping[str, str | int]]:
        """The fingerprints of the images by split, when the run began or was resumed; empty if it has none.

        Runs of earlier versions and conversions have none. Raises DamagedRun.
        """
        recorded = self._recorded().get("images")
        valid = isinstance(recorded, dict) and all(isinstance(found, dict) for found in recorded.values())
        return recorded if isinstance(recorded, dict) and valid else {}

    def recorded_length(self) -> RunLength | None:
        """The epochs of the run in steps, when it began; None if its length is a number of steps, or is not known.

        Raises DamagedRun.
        """
        try:
            recorded = self._recorded()["length"]
            return RunLength(int(recorded["steps"]), int(recorded["training_images"]))
        except (ValueError, KeyError, TypeError):
            return None

    def changed_spec(self) -> str | None:
        """Say that spec.hvae is not what the run wrote; None if it is, or if that is not known. Raises DamagedRun."""
        recorded = self._recorded().get("spec_sha256")
        if recorded is None or not self.spec.exists():
            return None
        with refusals_explained(self.spec):
            if hashlib.sha256(self.spec.read_bytes()).hexdigest() in recorded:
                return None
        return f"{self.spec} is not what the run wrote: it was edited, or is damaged"

    def had_checkpoint(self) -> bool:
        """Whether the run had come to a checkpoint; also if that is not known, as of runs of earlier versions.

        Raises DamagedRun.
        """
        return bool(self._recorded().get("has_checkpoint", True))

    def record_checkpoint(self) -> None:
        """Record that the run has come to a checkpoint. Raises WriteError, DamagedRun."""
        if not self.had_checkpoint():
            self.write_json(self.identity, {**self._recorded(), "has_checkpoint": True})

    def begin(
        self,
        name: str,
        spec_text: str,
        part_folders: Sequence[Path] = (),
        images: Mapping[str, Mapping[str, str | int]] | None = None,
        length: RunLength | None = None,
    ) -> None:
        """Create the folder unless it exists, and write the model's name and the spec.

        `part_folders` are the folders of custom modules; they are recorded, not copied. `images` are the fingerprints
        of the images by split; `length` is what the epochs of the spec are in steps. Raises WriteError.
        """
        # Until the new spec is there, that of the run before it is right too.
        hashes = [hashlib.sha256(spec_text.encode(errors="backslashreplace")).hexdigest()]
        recorded = self._recorded() if self.spec.exists() else {"has_checkpoint": False}
        if "spec_sha256" in recorded and self.changed_spec() is None:
            hashes.append(hashlib.sha256(self.spec.read_bytes()).hexdigest())
        more: dict[str, Any] = {"spec_sha256": sorted(set(hashes), key=hashes.index)}
        if part_folders:
            more["part_folders"] = list(map(str, part_folders))
        more["has_checkpoint"] = self.newest_step() is not None or recorded.get("has_checkpoint", True)
        if images:
            more["images"] = images
        if length is not None:
            more["length"] = asdict(length)
        with refusals_explained(self.path, "" if self.spec.exists() else ANOTHER_FOLDER):
            for folder in (self.path, self.checkpoints, self.path / "samples", self.path / "reconstructions"):
                folder.mkdir(parents=True, exist_ok=True)
            self.write_json(self.identity, {"name": name, **more})
            write_whole(self.spec, spec_text)  # last: a run has begun if its spec is there

    def write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write a JSON file with its checksum, whole or not at all; NaN and infinity become null. Raises WriteError."""
        write_checked(path, content)


def content_of(folder: Path) -> str:
    """Name the first files and folders in a folder that is not empty, and count the others. Raises OSError."""
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def check_output_path(path: Path, instead: str) -> None:
    """Raise UsageError if an output would replace a stream or a file of a run, WriteError if it cannot be written.

    Called before the work for its content is done. `instead` is what else the user can do. Links are followed.
    """
    if is_stream(path):
        raise UsageError(f"{path} is {A_STREAM}", help=instead)
    real = Path(os.path.realpath(path))
    for above in real.parents:
        folder = RunFolder(above)
        if folder.owns(real) and folder.spec.is_file():
            raise UsageError(f"{path} is a file of the run in {above}, which needs it", help=instead)
    check_writable(path, instead)


def require_run(path: Path) -> RunFolder:
    """The run folder at a path. Raises RunNotFound, with what is there instead, if it is not one."""
    folder = RunFolder(path)
    if folder.spec.is_file():
        return folder

    if (other := other_form(path)) is not None:
        raise RunNotFound(f"{path}: no such folder", help=other.help)
    if path.is_dir():
        nested = sorted(path.glob(f"*/{folder.spec.name}"))
        way_out = f"did you mean {nested[0].parent}?" if nested else "name a folder that hvaedsl train wrote"
        raise RunNotFound(f"{path}: no run in this folder, {folder.spec.name} is missing", help=way_out)
    if path.suffix == ".hvae" or path.as_posix() in spec_names():
        raise RunNotFound(
            f"{path} is a spec, where a run folder is needed",
            help=f"hvaedsl train {path_word(path)} writes one: {RUNS / path.stem}, or what --out names",
        )
    if path.is_file() and path.parent.name == folder.checkpoints.name:
        raise RunNotFound(f"{path} is a file of a run", help=f"name its run folder, {path.parent.parent}")
    problem = "is a file" if path.is_file() else "no such folder"
    raise RunNotFound(f"{path}: {problem}", help="name a folder that hvaedsl train wrote")
