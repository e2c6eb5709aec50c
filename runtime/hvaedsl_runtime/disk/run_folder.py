"""The folder of a run: its files, and when it may be written into."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.errors import DamagedRun, RunFolderInUse, RunMismatch, RunNotFound, UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl.diagnostics.shell import path_word
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import SECTIONS, Spec, keys, section_of
from hvaedsl.ir.spec_text import value_text
from hvaedsl.program import RUN_SPEC
from hvaedsl.shipped import spec_names
from hvaedsl_runtime.disk.folder_lock import check_unlocked, folder_lock, is_of_lock
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import check_writable, partial_name, write_whole

RUNS = Path("runs")
# Files of a folder that a message names; the others are counted.
NAMED = 3

# Keys that may change when a run is resumed, because the weights after a step do not depend on them.
CHANGEABLE = frozenset(
    ("data.path", "train.steps", "train.eval_every", "train.save_every", "sample.temperature", "sample.count")
) | {"train.gpu_memory", "train.stop_after", *(f"paper.{name}" for name in keys(SECTIONS["paper"]))}


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
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """The weights with the lowest validation bound, under `train.stop_after`: a checkpoint without an optimizer."""
        return self.path / "checkpoints" / "best.pt"

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
        try:
            return str(json.loads(self.wandb_identity.read_text(encoding="utf-8"))["id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedRun(
                f"{self.wandb_identity}: no id of a run in it",
                help="remove it to start another run at Weights & Biases",
            ) from error

    def owns(self, path: Path) -> bool:
        """Whether a path in the folder is that of a file which only the run itself writes. Both paths are resolved."""
        files = (self.spec, self.identity, self.metrics, self.summary, self.wandb_identity)
        folders = (self.checkpoint.parent, self.wandb)
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

    def model_name(self) -> str | None:
        """The name of the model trained here; None if no run has begun. Raises DamagedRun for a damaged file."""
        if not self.spec.exists() or not self.identity.exists():
            return None
        try:
            return str(json.loads(self.identity.read_text(encoding="utf-8"))["name"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedRun(
                f"{self.identity}: no model name in it",
                help='write {"name": "NAME"} into it, or remove it to use the name of the spec file',
            ) from error

    def read_summary(self) -> dict[str, Any]:
        """The final results. Raises DamagedRun if the file cannot be read."""
        try:
            content = json.loads(self.summary.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict):
            raise DamagedRun(
                f"{self.summary}: not the summary of a run",
                help="remove it and resume the run, which writes it again",
            )
        return content

    def part_folders(self) -> tuple[Path, ...]:
        """The folders of custom modules when the run began; empty if it uses none."""
        try:
            return tuple(map(Path, json.loads(self.identity.read_text(encoding="utf-8"))["part_folders"]))
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def recorded_images(self) -> Mapping[str, Mapping[str, str | int]]:
        """The fingerprints of the images by split, when the run began or was resumed; empty if it has none."""
        try:
            recorded = json.loads(self.identity.read_text(encoding="utf-8"))["images"]
        except (OSError, ValueError, KeyError, TypeError):  # of an earlier version, or of a conversion
            return {}
        valid = isinstance(recorded, dict) and all(isinstance(found, dict) for found in recorded.values())
        return recorded if valid else {}

    def recorded_length(self) -> RunLength | None:
        """The epochs of the run in steps, when it began; None if its length is a number of steps, or is not known."""
        try:
            recorded = json.loads(self.identity.read_text(encoding="utf-8"))["length"]
            return RunLength(int(recorded["steps"]), int(recorded["training_images"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

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
        more: dict[str, Any] = {"part_folders": list(map(str, part_folders))} if part_folders else {}
        if images:
            more["images"] = images
        if length is not None:
            more["length"] = asdict(length)
        with refusals_explained(self.path, "" if self.spec.exists() else ANOTHER_FOLDER):
            for folder in (self.path, self.checkpoint.parent, self.path / "samples", self.path / "reconstructions"):
                folder.mkdir(parents=True, exist_ok=True)
            self.write_json(self.identity, {"name": name, **more})
            write_whole(self.spec, spec_text)  # last: a run has begun if its spec is there

    def write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all; numbers that are not finite become null. Raises WriteError."""
        write_whole(path, json_text(content, indent=2) + "\n")


def content_of(folder: Path) -> str:
    """Name the first files and folders in a folder that is not empty, and count the others. Raises OSError."""
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def check_output_path(path: Path, instead: str) -> None:
    """Raise UsageError if an output would replace a file of a run, WriteError if it cannot be written.

    Called before the work for its content is done. `instead` is what else the user can do. Links are followed.
    """
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
    if path.is_file() and path.parent.name == folder.checkpoint.parent.name:
        raise RunNotFound(f"{path} is a file of a run", help=f"name its run folder, {path.parent.parent}")
    problem = "is a file" if path.is_file() else "no such folder"
    raise RunNotFound(f"{path}: {problem}", help="name a folder that hvaedsl train wrote")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a run folder. Raises DamagedRun if the file has none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedRun(f"{path}: cannot be read as JSON", help="remove the file") from error
    if not isinstance(content, dict):
        raise DamagedRun(f"{path}: not a JSON object", help="remove the file")
    return content


def check_same_run(folder: RunFolder, before: Spec, now: Spec) -> None:
    """Raise RunMismatch, naming the keys, if a run would be resumed under another spec.

    Keys in CHANGEABLE and the name may differ. `train.steps` may not under a schedule that depends on it.
    """
    changeable = CHANGEABLE if now.train.lr_schedule == "constant" else CHANGEABLE - {"train.steps"}
    differences = spec_differences(before, now, changeable)
    if differences:
        raise RunMismatch(
            f"{folder.path} belongs to another spec; " + "; ".join(differences),
            help=f"resume with {folder.spec}, or train this spec into another folder with --out",
        )


def spec_differences(before: Spec, now: Spec, changeable: Set[str], where: str = "in the run") -> list[str]:
    """The keys whose values differ, each with both values; `where` describes the place of the earlier one.

    The names of labels do not count: they affect neither the weights nor their names.
    """
    return [
        f"{name}.{key}: {as_written(old)} {where}, {as_written(new)} now"
        for name, section in SECTIONS.items()
        for key in keys(section)
        if _compared(old := getattr(section_of(before, name), key))
        != _compared(new := getattr(section_of(now, name), key))
        and f"{name}.{key}" not in changeable
    ]


def _compared(value: object) -> object:
    return value.with_numbered_labels() if isinstance(value, BlockList) else value


def as_written(value: object) -> str:
    """The value of a key in the syntax of a spec."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case ImageSize():
            return str(value)
        case tuple():
            return f"[{', '.join(map(str, value))}]"
        case Mapping():
            return value_text(value)
        case _:
            return str(value)
