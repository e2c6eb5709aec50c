"""Weight files to run folders, and back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import (
    InvalidWeights,
    OutputExists,
    RunFolderInUse,
    SpecError,
    UsageError,
)
from hvaedsl.diagnostics.refusals import ANOTHER_FOLDER, refusals_explained
from hvaedsl.ir.run_options import WEIGHT_SUFFIXES
from hvaedsl.program import Program
from hvaedsl_runtime.convert.input_preparation import converted_preparation
from hvaedsl_runtime.convert.name_prefixes import choose_weights, same_weights, without_module
from hvaedsl_runtime.convert.optimizer_state import restore_optimizer
from hvaedsl_runtime.convert.weight_names import Names, NamesInFile, as_ours, known_names, renamed
from hvaedsl_runtime.data import AnyPreparation, Preparation, located
from hvaedsl_runtime.disk.checkpoint import Checkpoint, save_checkpoint
from hvaedsl_runtime.disk.checkpoint_names import name_of
from hvaedsl_runtime.disk.not_finite import first_not_finite
from hvaedsl_runtime.disk.run_folder import RunFolder, check_output_path, content_of
from hvaedsl_runtime.disk.spec_changes import spec_differences
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.disk.weights import SAFETENSORS, check_dense, read_tensors, write_safetensors, write_torch
from hvaedsl_runtime.disk.whole_files import check_replaceable, check_writable
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.train.run import part_folders
from hvaedsl_runtime.train.state import TrainState

# In the names of the published files, such as imagenet32-iter-1700000-model-ema.th.
STEP_IN_NAME = re.compile(r"iter-(\d+)(?![\w^])")
KIND_IN_NAME = re.compile(r"iter-\d+-model(-ema)?\.\w+$")
IN_WORDS: Mapping[str, str] = {"raw": "the weights of the last step", "ema": "averaged weights"}
OPTIONS: Mapping[str, str] = {"raw": "--from", "ema": "--ema"}


@dataclass(frozen=True)
class Sources:
    """The files of a conversion, with at least one of `raw` and `ema`; `trained_on` names the weights' dataset.

    `step` None uses the step that the files state.
    """

    raw: Path | None = None
    ema: Path | None = None
    optimizer: Path | None = None
    step: int | None = None
    trained_on: str | None = None


@dataclass(frozen=True)
class Conversion:
    """The result of an import: the run folder, its state, and notes to the user, a sentence each."""

    folder: RunFolder
    state: TrainState
    notes: tuple[str, ...]


@dataclass(frozen=True)
class WeightFile:
    """The content of a weight file: tensors under hvaedsl's names, the naming that it used, and its metadata.

    The notes say which prefixes of names were removed; `averaged` says whether a prefix was that of averaged weights.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    names: NamesInFile
    metadata: Mapping[str, str]
    notes: tuple[str, ...]
    averaged: bool = False

    @property
    def step(self) -> int | None:
        """The step that the file's metadata or name states."""
        if self.metadata.get("step", "").isdecimal():
            return int(self.metadata["step"])
        found = STEP_IN_NAME.search(self.path.name)
        return int(found[1]) if found else None

    @property
    def kind(self) -> str | None:
        """The kind of weights that the file states, in its metadata, as hvaedsl writes it, a prefix or its name."""
        if self.averaged:
            return "ema"
        stated = self.metadata.get("weights") if "hvaedsl_version" in self.metadata else None
        if stated in ("raw", "ema"):
            return stated
        found = KIND_IN_NAME.search(self.path.name)
        return None if found is None else "ema" if found[1] else "raw"


def import_weights(program: Program, sources: Sources, out: Path) -> Conversion:
    """Write a run folder with the weights of files, which can be evaluated, sampled from and trained further.

    Nothing is written before everything is read and fits, and the folder appears whole or not at all.

    Raises UsageError for a missing file, for files that contradict each other, and for an `out` that no new folder can
    replace; InvalidWeights for a damaged file; WeightsMismatch for one that does not fit the program; RunFolderInUse if
    `out` has content; WriteError; DataNotFound if neither the files nor published constants give the input's shift and
    scale, and there are no training images; SpecError if the spec lacks what training needs.
    """
    program.training()
    _check_free(out)
    program = program.named(program.name, located(program.spec.data))

    paths: tuple[tuple[Weights, Path | None], ...] = (("raw", sources.raw), ("ema", sources.ema))
    files: dict[str, WeightFile] = {kind: _read(program, path, kind) for kind, path in paths if path is not None}
    if not files:
        raise UsageError("a conversion needs weights: give --from, --ema or both")
    if sources.optimizer is not None and "raw" not in files:
        raise UsageError("--optimizer needs the weights of the last step: give them with --from")

    # Assume what the files do not state, and note it for the user.
    notes = list(dict.fromkeys(note for file in files.values() for note in file.notes))
    notes += _exchanged(files, sources)
    step = _step(sources, files.values())
    if step is None:
        step = 0
        notes.append("the step is unknown: 0 is written, unless --step gives it")
    if len(files) == 1:
        given, other = ("raw", "averaged") if "raw" in files else ("averaged", "raw")
        notes.append(f"the {other} weights are a copy of the {given} ones: no others were given")
    elif same_weights(files["raw"].tensors, files["ema"].tensors):
        notes.append("--from and --ema took the same weights: the averaged weights equal the raw ones")
    metadata = {file.path: file.metadata for file in files.values()}
    prepare, origin = converted_preparation(program, sources.trained_on, metadata)
    if isinstance(prepare, Preparation):
        notes.append(f"input: (pixel {prepare.shift:+.7g}) * {prepare.scale:.7g}, {origin}")
    else:
        notes.append(f"input: values standardized per channel, {origin}")

    position = Position(program.training().seed, step, dtype=_dtype(files.values()))
    state = _state(program, prepare, position, files)
    notes += _optimizer(program, state, sources.optimizer, files)

    read = {weights: file.path for weights, file in files.items()}
    read |= {} if sources.optimizer is None else {"optimizer": sources.optimizer}
    return Conversion(_write_folder(out, program, state, read, notes), state, tuple(notes))


def export_weights(
    run: Path, path: Path, weights: Weights, names: Names, which: str | None = None, *, replace: bool = False
) -> int:
    """Write the weights of a run's checkpoint to a file of safetensors or torch, whose suffix is in WEIGHT_SUFFIXES.

    `which` is the checkpoint, as `FinishedRun.open` takes it.

    With the published names, a shared block has one tensor per application. A safetensors file also gets the spec, the
    step and the preparation, from which `import_weights` makes a run again. Returns the number of tensors.

    Raises UsageError for an unsuitable suffix or folder, or a file of a run; RunNotFound or DamagedRun for a folder
    without a usable run; OutputExists unless `replace`; WeightsMismatch for a cell without published names; Diverged
    for weights that are not finite; WriteError.
    """
    if path.suffix.lower() not in WEIGHT_SUFFIXES:
        raise UsageError(f"--to is {path}; it must end in {listing(WEIGHT_SUFFIXES)}")
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--to is {path}; it must be a file in a folder that exists")
    check_output_path(path, "name another file with --to")
    if path.exists() and not replace:
        raise OutputExists(f"{path} exists already", help="replace it with --force, or name another file with --to")

    finished = FinishedRun.open(run, "cpu", which)
    checkpoint = finished.checkpoint
    tensors = renamed(finished.program, names, checkpoint.finite_weights(weights))
    with refusals_explained(path, "name another file with --to"):
        if path.suffix.lower() == SAFETENSORS:
            write_safetensors(path, tensors, describe(checkpoint, weights, names))
        else:
            write_torch(path, tensors)
    return len(tensors)


def describe(checkpoint: Checkpoint, weights: Weights, names: Names) -> dict[str, str]:
    """The metadata of a safetensors file with a checkpoint's weights."""
    return {
        "hvaedsl_version": checkpoint.version,
        "spec": checkpoint.spec,
        "step": str(checkpoint.step),
        "weights": weights,
        "names": names,
        "preparation": json.dumps(checkpoint.preparation),
    }


def _read(program: Program, path: Path, weights: Weights) -> WeightFile:
    tensors, metadata = read_tensors(path)
    chosen = choose_weights(tensors, weights, path)
    unwrapped = without_module(chosen.tensors, known_names(program), path)
    check_dense(unwrapped.tensors, path)
    stated = _stated(metadata)
    ours, names = as_ours(program, unwrapped.tensors, path, stated)
    found = first_not_finite(unwrapped.tensors)
    if found is not None:
        raise InvalidWeights(f"{path}: {found}", help="the training diverged; name a file that was saved before that")
    notes = (*chosen.notes, *unwrapped.notes, *_other_model(path, stated, program))
    return WeightFile(path, ours, names, metadata, notes, chosen.are_averaged)


def _stated(metadata: Mapping[str, str]) -> Program | None:
    """The program in a file's metadata; None if there is none, or if this version cannot compile it."""
    try:
        return hvaedsl.loads(metadata["spec"]) if "spec" in metadata else None
    except SpecError:
        return None


def _other_model(path: Path, stated: Program | None, program: Program) -> list[str]:
    """The note on weights that fit, but whose file states a spec with another model."""
    if stated is None or stated.bridge == program.bridge:
        return []
    differences = spec_differences(stated.spec, program.spec, frozenset(), "in the file")
    of_model = [difference for difference in differences if difference.startswith("model.")]
    return [f"{path}: its weights were trained as another model: {'; '.join(of_model)}"] if of_model else []


def _dtype(files: Iterable[WeightFile]) -> str:
    """float64 if any weights have it; otherwise float32, which represents every narrower type exactly."""
    types = {tensor.dtype for file in files for tensor in file.tensors.values()}
    return "float64" if torch.float64 in types else "float32"


def _state(
    program: Program, prepare: AnyPreparation, position: Position, files: Mapping[str, WeightFile]
) -> TrainState:
    """Build the state of a run from weight files; a missing kind (raw or ema) is copied from the other.

    All steps count as applied updates, because no file states how many were skipped.
    """
    state = TrainState.initial(program, prepare, position, torch.device("cpu"))
    for weights, model in state.models.items():
        model.load_state_dict((files.get(weights) or next(iter(files.values()))).tensors)
    state.ema.updates = position.step
    return state


def _step(sources: Sources, files: Iterable[WeightFile]) -> int | None:
    if sources.step is not None:
        return sources.step
    stated = {file.step: file.path for file in files if file.step is not None}
    if len(stated) > 1:
        steps = ", ".join(f"{path.name}: {step}" for step, path in stated.items())
        raise UsageError(f"the files are from different steps ({steps}); choose one with --step")
    return next(iter(stated), None)


def _exchanged(files: Mapping[str, WeightFile], sources: Sources) -> list[str]:
    """The note on a file that states the other kind of weights than it is given as, and is used for both.

    Raises UsageError if the kinds matter: with two files, or with the state of an optimizer.
    """
    wrong = [(kind, file) for kind, file in files.items() if file.kind not in (None, kind)]
    if not wrong:
        return []

    given, file = wrong[0]
    stated = "ema" if given == "raw" else "raw"
    if len(files) == 1 and sources.optimizer is None:
        return [f"{file.path.name} states that it has {IN_WORDS[stated]}; {OPTIONS[stated]} takes them"]
    if len(wrong) == 2:
        way_out = "exchange the files of --from and --ema"
    elif len(files) == 2:
        way_out = f"name another file with {OPTIONS[given]}, or omit it: the other file is then used for both"
    else:
        way_out = f"name another file with {OPTIONS[given]}, or omit --optimizer"
    raise UsageError(
        f"{file.path}: states that it has {IN_WORDS[stated]}, but {OPTIONS[given]} takes {IN_WORDS[given]}",
        help=way_out,
    )


def _optimizer(program: Program, state: TrainState, path: Path | None, files: Mapping[str, WeightFile]) -> list[str]:
    """Load the optimizer's state from a file, if there is one; what the user should know, a sentence each."""
    if path is None:
        return ["no optimizer state was given: the optimizer is re-initialized if this run is resumed"]
    read = restore_optimizer(program, state, path, files["raw"].names)
    notes = [f"optimizer: the moments of {read.parameters:,} parameters after {read.updates:,} updates, {read.found}"]
    if read.missing:
        notes.append(f"optimizer: {read.missing:,} parameters have no moments in the file; theirs start at zero")
    return [*notes, *(f"{difference}; a resumed run uses the spec's value" for difference in read.differences)]


def _check_free(out: Path) -> None:
    """Raise RunFolderInUse, UsageError or WriteError unless the folder can be created: a run is never replaced."""
    problem = ""
    with refusals_explained(out, ANOTHER_FOLDER):
        if out.exists() and not out.is_dir():
            problem = f"{out} is not a folder"
        elif out.exists() and any(out.iterdir()):
            problem = f"{out} is not empty: it has {content_of(out)}"
        elif out.parent.exists() and not out.parent.is_dir():
            problem = f"{out.parent} is not a folder"
    if problem:
        raise RunFolderInUse(problem, help=ANOTHER_FOLDER)
    check_replaceable(out)
    check_writable(out, ANOTHER_FOLDER)


def _write_folder(
    out: Path, program: Program, state: TrainState, read: Mapping[str, Path], notes: Iterable[str]
) -> RunFolder:
    """Fill a folder beside `out`, and rename it once it is complete."""
    temporary = RunFolder(out.absolute().with_name(f".{out.name}.{os.getpid()}.partial"))
    origin = {name: {"file": path.name, "sha256": _sha256(path)} for name, path in read.items()}
    spec = program.resolved_text()
    try:
        with refusals_explained(out, ANOTHER_FOLDER):
            temporary.begin(program.name, spec, part_folders(program))
            save_checkpoint(temporary.checkpoints / name_of(state.step), spec, state.state_dict())
            temporary.record_checkpoint()
            temporary.write_json(
                temporary.path / "conversion.json", {"step": state.step, "read": origin, "notes": list(notes)}
            )
            if out.exists():
                out.rmdir()  # empty, as _check_free made sure
            temporary.path.rename(out)
    finally:
        shutil.rmtree(temporary.path, ignore_errors=True)
    return RunFolder(out)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
