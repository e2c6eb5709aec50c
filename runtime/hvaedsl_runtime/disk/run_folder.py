"""The folder of a run: what lies where, and when it may be written into."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.errors import DamagedRun, RunFolderInUse, RunMismatch, RunNotFound
from hvaedsl.ir.spec import SECTIONS, Spec, keys, section_of
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import partial_name, refusals_explained, write_whole

RUNS = Path("runs")

# What may change between the parts of a run: nothing here touches the weights that a step leads to.
CHANGEABLE = frozenset(
    ("data.path", "train.steps", "train.eval_every", "train.save_every", "sample.temperature", "sample.count")
) | {"train.gpu_memory", *(f"paper.{name}" for name in keys(SECTIONS["paper"]))}


@dataclass(frozen=True)
class RunFolder:
    """A run folder and the files in it."""

    path: Path

    @property
    def spec(self) -> Path:
        """The resolved spec, a text that compiles alone."""
        return self.path / "spec.hvae"

    @property
    def identity(self) -> Path:
        """What the resolved spec does not say: the model's name, which is that of the file it was compiled from."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def summary(self) -> Path:
        """What came out in the end."""
        return self.path / "summary.json"

    @property
    def wandb(self) -> Path:
        """What Weights & Biases keeps, where it is asked for; it is the first to write."""
        return self.path / "wandb"

    def picture(self, kind: str, name: str) -> Path:
        """A picture: `samples` or `reconstructions`."""
        return self.path / kind / f"{name}.png"

    def check_free(self, resume: bool) -> None:
        """Raise RunError (5) where the folder has content and this is no resumption of the run in it."""
        with refusals_explained(self.path, "name another with --out"):
            if not self.path.exists():
                return
            if not self.path.is_dir():
                raise RunFolderInUse(f"{self.path} is not a folder", help="name another with --out")
            if self._holds_nothing():
                return
        if not resume:
            raise RunFolderInUse(
                f"{self.path} is not empty",
                help="--resume goes on with the run in it; --out names another folder",
            )
        if not self.spec.exists():
            raise RunNotFound(
                f"{self.path} holds files, and no run to resume: {self.spec.name} is missing",
                help="name the folder of the run, or an empty one, with --out",
            )

    def _holds_nothing(self) -> bool:
        """Whether the folder is empty, or all in it is what a run left that came to its end in `begin`."""
        made = {self.identity, partial_name(self.identity), partial_name(self.spec)}
        files = (path for path in self.path.rglob("*") if not path.is_dir())
        return all(path in made or self.wandb in path.parents for path in files)

    def model_name(self) -> str | None:
        """The name of the model trained here; None where no run has begun. Raises RunError (5) for a spoilt file."""
        if not self.spec.exists() or not self.identity.exists():
            return None
        try:
            return str(json.loads(self.identity.read_text(encoding="utf-8"))["name"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedRun(
                f"{self.identity}: found no name of a model",
                help='write {"name": "NAME"} into it, or remove it: the name is then that of the spec file',
            ) from error

    def read_summary(self) -> dict[str, Any]:
        """What came out. Raises RunError (5) where the file cannot be read."""
        try:
            content = json.loads(self.summary.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict):
            raise DamagedRun(
                f"{self.summary}: not the summary of a run",
                help="remove it: resuming the run writes it anew",
            )
        return content

    def part_folders(self) -> tuple[Path, ...]:
        """Where modules of one's own parts were looked for when the run began; empty where there are none."""
        try:
            return tuple(map(Path, json.loads(self.identity.read_text(encoding="utf-8"))["part_folders"]))
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def begin(self, name: str, spec_text: str, part_folders: Sequence[Path] = ()) -> None:
        """Create the folder, or take over the one there is, and write the model's name and the spec.

        `part_folders`, of a spec with parts of one's own, are written down: the run folder does not hold their modules.
        Raises WriteError.
        """
        folders = {"part_folders": list(map(str, part_folders))} if part_folders else {}
        with refusals_explained(self.path, "" if self.spec.exists() else "name another with --out"):
            for folder in (self.path, self.checkpoint.parent, self.path / "samples", self.path / "reconstructions"):
                folder.mkdir(parents=True, exist_ok=True)
            self.write_json(self.identity, {"name": name, **folders})
            write_whole(self.spec, spec_text)  # last: where it stands, the run has begun

    def write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all; numbers that are not finite become null. Raises WriteError."""
        write_whole(path, json_text(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object that was written into a run folder. Raises RunError (5) where the file holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedRun(f"{path}: cannot be read as JSON", help="remove the file") from error
    if not isinstance(content, dict):
        raise DamagedRun(f"{path}: holds no JSON object", help="remove the file")
    return content


def check_same_run(folder: RunFolder, before: Spec, now: Spec) -> None:
    """Raise RunError (5), naming the keys, where a run would be resumed under another spec.

    Keys in CHANGEABLE may differ; so may the name. A learning rate that falls towards the last step fixes the steps.
    """
    changeable = CHANGEABLE if now.train.lr_schedule == "constant" else CHANGEABLE - {"train.steps"}
    differences = spec_differences(before, now, changeable)
    if differences:
        raise RunMismatch(
            f"{folder.path} belongs to another spec; " + "; ".join(differences),
            help=f"resume it with {folder.spec}, or train this spec into another folder with --out",
        )


def spec_differences(before: Spec, now: Spec, changeable: Set[str], where: str = "in the run") -> list[str]:
    """The keys whose values differ, each with both values; `where` says where the one before stands."""
    return [
        f"{name}.{key}: {as_written(old)} {where}, {as_written(new)} now"
        for name, section in SECTIONS.items()
        for key in keys(section)
        if (old := getattr(section_of(before, name), key)) != (new := getattr(section_of(now, name), key))
        and f"{name}.{key}" not in changeable
    ]


def as_written(value: object) -> str:
    """A value of a key as a spec says it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(map(str, value))}]"
        case _:
            return str(value)
