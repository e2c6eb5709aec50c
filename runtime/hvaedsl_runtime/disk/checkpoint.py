"""Checkpoints: the state of a run on the disk, with a format version and migrations from the earlier ones.

A checkpoint is a folder (`checkpoint_folder`). Up to format 3 it was a file of torch.save with a dict: `format`, the
version; `spec`, the resolved spec as text; and the state's parts by name. `model`, `ema` (name to tensor) and
`preparation` are public: docs/export.md shows how to load them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, Diverged, RunNotFound, SpecError
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.lowering.earlier_names import named_by_position
from hvaedsl_runtime.disk.checkpoint_folder import FORMAT as FORMAT
from hvaedsl_runtime.disk.checkpoint_folder import WAY_OUT, Noted, check_room, read_folder, write_folder
from hvaedsl_runtime.disk.checkpoint_names import step_of
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.snapshot import Snapshot
from hvaedsl_runtime.disk.state_parts import Counters, PartError, PlainPart, Position, StateDict, Stateful
from hvaedsl_runtime.disk.unreadable_weights import why_unreadable

# Of the last format in a single file.
FILE_FORMAT = 3

Part = TypeVar("Part", bound=PlainPart)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run on the disk, in the current format, with all tensors on the CPU.

    A part is looked up by name, so that each reader asks only for the parts that it needs: `checkpoint["optimizer"]`.
    """

    path: Path
    spec: str
    state: StateDict

    def __getitem__(self, name: str) -> Any:
        """The state of a part. Raises DamagedRun if the checkpoint lacks it."""
        if name not in self.state:
            raise self.unusable(f"`{name}` is missing")
        return self.state[name]

    @property
    def step(self) -> int:
        """Steps done."""
        return self.position.step

    @property
    def position(self) -> Position:
        """Where the run is in its streams of images and noise."""
        return self._plain("position", Position)

    @property
    def counters(self) -> Counters:
        """Skipped updates and time spent."""
        return self._plain("counters", Counters)

    @property
    def model(self) -> dict[str, Tensor]:
        """The weights of the last step, by name."""
        weights: dict[str, Tensor] = self["model"]
        return weights

    @property
    def ema(self) -> dict[str, Tensor]:
        """The averaged weights, by name."""
        weights: dict[str, Tensor] = self["ema"]
        return weights

    def finite_weights(self, kind: Literal["raw", "ema"]) -> dict[str, Tensor]:
        """The weights of the last step or their average, by name. Raises Diverged if some are not finite."""
        weights = self.model if kind == "raw" else self.ema
        found = first_not_finite(weights)
        if found is not None:
            raise Diverged(
                f"{self.path}: the training diverged; in the {kind} weights after step {self.step}, {found}",
                help="train again into another folder with a lower train.learning_rate; "
                "`hvaedsl analyze curves` shows when it diverged",
            )
        return weights

    @property
    def preparation(self) -> StateDict:
        """The fields of the Preparation with which images became inputs."""
        return dict(self["preparation"])

    @property
    def version(self) -> str:
        """The version of hvaedsl that wrote it."""
        return str(self["versions"].get("hvaedsl", "unknown"))

    def restore(self, target: Stateful) -> None:
        """Load the whole state into `target`. Raises DamagedRun if a part is missing or does not fit."""
        try:
            target.load_state_dict(self.state)
        except PartError as error:
            raise self.unusable(str(error)) from error

    def _plain(self, name: str, kind: type[Part]) -> Part:
        try:
            return kind.from_state(self[name])
        except (PartError, TypeError) as error:  # TypeError: not a dict
            raise self.unusable(f"`{name}`: {error}") from error

    def unusable(self, reason: str) -> DamagedRun:
        """The error for a checkpoint that can be read and has unsuitable content."""
        return _unusable(self.path, reason)


def save_checkpoint(path: Path, spec: str, state: Mapping[str, Any]) -> None:
    """Write the state of a run and its resolved spec into the folder of a checkpoint, and wait until it is done.

    A process killed at any moment leaves a whole checkpoint or none. Raises WriteError.
    """
    snapshot = Snapshot()
    snapshot.take(state)
    with refusals_explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    check_room(path.parent, snapshot.size)
    write_folder(path, spec, snapshot, Noted(step_of(path) or 0))
    logger.info("checkpoint written: %s", path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of this or an earlier format, once all of it is verified; no code in it is run.

    Raises RunNotFound if there is none at the path, and DamagedRun if it cannot be read or has a newer format.
    """
    if path.is_dir():
        return Checkpoint(path, *read_folder(path))
    if not path.exists():
        raise RunNotFound(f"{path}: no checkpoint", help="name a run folder that hvaedsl train wrote")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that torch did not write: the error says more
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly any
        # Without torch's own text, which advises to load the file in a way that runs code.
        raise DamagedRun(
            f"{path}: the checkpoint cannot be read: {why_unreadable(path, error).what}", help=WAY_OUT
        ) from error

    version = content.get("format") if isinstance(content, dict) else None
    if not isinstance(version, int) or version not in MIGRATIONS:
        raise _unknown_format(path, version)
    while version in MIGRATIONS:
        logger.info("%s: converting the checkpoint from format %d to %d", path, version, version + 1)
        try:
            content = MIGRATIONS[version](content)
        except PartError as error:
            raise _unusable(path, str(error)) from error
        version += 1

    state = {name: value for name, value in content.items() if name not in ("format", "spec")}
    if "spec" not in content:
        raise _unusable(path, "`spec` is missing")
    return Checkpoint(path, content["spec"], state)


def _unusable(path: Path, reason: str) -> DamagedRun:
    return DamagedRun(f"{path}: the checkpoint cannot be used: {reason}", help=WAY_OUT)


def _unknown_format(path: Path, version: object) -> DamagedRun:
    if isinstance(version, int) and version > FILE_FORMAT:
        return DamagedRun(
            f"{path}: the checkpoint has format {version}; this version of hvaedsl reads formats up to {FILE_FORMAT} "
            "of such files",
            help="a newer version wrote it: pip install --upgrade hvaedsl",
        )
    return DamagedRun(
        f"{path}: not a checkpoint of hvaedsl; its `format` is {version}",
        help="name a run folder that hvaedsl train wrote",
    )


def _grouped(flat: StateDict) -> StateDict:
    """Format 1 to 2: the single values become parts, and the average gets its count of updates.

    Format 1 did not count them; every update that was not skipped was averaged.
    """
    groups = {
        "position": ("seed", "step", "world_size", "dtype"),
        "counters": ("skipped_updates", "skipped_in_a_row", "wall_seconds"),
    }
    moved = {"version", *(name for names in groups.values() for name in names)}
    content = {name: value for name, value in flat.items() if name not in moved}

    for part, names in groups.items():
        content[part] = {name: flat[name] for name in names if name in flat}
    if {"step", "skipped_updates"} <= flat.keys():
        content["averaging"] = {"updates": flat["step"] - flat["skipped_updates"]}
    content["versions"] = {"hvaedsl": flat.get("version", "unknown"), "torch": "unknown"}
    return content


def _named_by_position(content: StateDict) -> StateDict:
    """Format 2 to 3: a parameter's name follows the position of its block; in format 2 it had the label, if any.

    The optimizer numbers the parameters, in the same order in both. Raises PartError if the spec does not compile or
    lacks a block of the weights.
    """
    spec = content.get("spec")
    if not isinstance(spec, str) or "@" not in spec:  # no labels: the names are the same
        return content

    # The checkpoint's own spec says which block had which label. Custom parts do not matter for that.
    try:
        bridge = hvaedsl.loads(spec).bridge
    except SpecError as error:
        raise PartError(f"`spec` does not compile: {error.diagnostics[0].message}") from error

    renamed: StateDict = {}
    for part in ("model", "ema"):
        if part not in content:
            continue
        try:
            renamed[part] = named_by_position(bridge, content[part])
        except KeyError as error:
            raise PartError(f"`{part}` has {error.args[0]}, and the spec has no such block") from error
        except AttributeError as error:  # not a dict with names
            raise PartError(f"`{part}` is not a state dict") from error
    return content | renamed


def _with_split(content: StateDict) -> StateDict:
    """Format 3, the last in a single file, to 4: the position has the version of the noise and the micro-batch.

    Until then, a process computed the whole `batch_size` of the spec at once.
    """
    position = content.get("position")
    return content | ({"position": {**position, "noise": 1, "micro_batch": 0}} if isinstance(position, dict) else {})


# From each earlier format to the one after it.
MIGRATIONS: Mapping[int, Callable[[StateDict], StateDict]] = {1: _grouped, 2: _named_by_position, 3: _with_split}
