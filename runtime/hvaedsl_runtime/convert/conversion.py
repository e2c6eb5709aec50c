"""Weight files into run folders, and back."""

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
from hvaedsl.diagnostics.errors import (
    DataNotFound,
    InvalidWeights,
    OutputExists,
    RunError,
    RunFolderInUse,
    UsageError,
    WeightsMismatch,
)
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.program import Program
from hvaedsl_runtime.convert.optimizer_state import OptimizerState, fresh_state, published_state
from hvaedsl_runtime.convert.weight_names import Names, as_ours, renamed
from hvaedsl_runtime.data import Preparation, open_split, preparation, published_preparation
from hvaedsl_runtime.disk.checkpoint import Checkpoint, save_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder, as_written
from hvaedsl_runtime.disk.weights import SAFETENSORS, read_weights, write_safetensors, write_torch
from hvaedsl_runtime.disk.whole_files import refusals_explained
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.train.run import identified, part_folders

# As the published files are called: imagenet32-iter-1700000-model.th.
STEP_IN_NAME = re.compile(r"iter-(\d+)")


@dataclass(frozen=True)
class Sources:
    """The files of a conversion; one of `raw` and `ema` at least. `trained_on` names the data set of the weights.

    `step` None takes that of the files; `processes` is how many trained together, and how many go on.
    """

    raw: Path | None = None
    ema: Path | None = None
    optimizer: Path | None = None
    step: int | None = None
    trained_on: str | None = None
    processes: int = 1


@dataclass(frozen=True)
class Conversion:
    """What became of the files: where it lies, and what the user should know, a sentence each."""

    folder: RunFolder
    checkpoint: Checkpoint
    notes: tuple[str, ...]


@dataclass(frozen=True)
class WeightFile:
    """A file that was read: its tensors under our names, whose names they had, and what its metadata say."""

    path: Path
    tensors: Mapping[str, Tensor]
    names: Names
    metadata: Mapping[str, str]

    @property
    def step(self) -> int | None:
        """The step that the file says it is of, in its metadata or its name."""
        if self.metadata.get("step", "").isdecimal():
            return int(self.metadata["step"])
        found = STEP_IN_NAME.search(self.path.name)
        return int(found[1]) if found else None


def import_weights(program: Program, sources: Sources, out: Path) -> Conversion:
    """A run folder with the weights of files: it can be evaluated, sampled from, and trained on.

    Nothing is written before everything is read and fits, and the folder appears whole or not at all.
    Raises UsageError for a file that is not there and for files that contradict each other; RunError: 5 for a file that
    is damaged or does not fit the program, and where `out` has content or cannot be written; 4 where input shift and
    scale are known from nowhere and there are no training images. SpecError where the spec lacks what training needs.
    """
    program.training()
    _check_free(out)
    program = identified(program, program.name)
    files = {
        weights: _read(program, path)
        for weights, path in (("raw", sources.raw), ("ema", sources.ema))
        if path is not None
    }
    if not files:
        raise UsageError("a conversion needs weights: give --from, --ema or both")
    if sources.optimizer is not None and "raw" not in files:
        raise UsageError("--optimizer belongs to the weights of the last step: give those with --from")
    dtype = _dtype(files.values())
    notes: list[str] = []
    step = _step(sources, files.values())
    if step is None:
        step = 0
        notes.append("the files do not say after how many steps they were saved; --step does, and 0 is written")
    if len(files) == 1:
        given, other = ("raw", "averaged") if "raw" in files else ("averaged", "raw")
        notes.append(f"the {other} weights are a copy of the {given} ones: no others were given")
    prepare, origin = _preparation(program, sources, files.values())
    notes.append(f"input: (pixel {prepare.shift:+.7g}) * {prepare.scale:.7g}, {origin}")
    optimizer = _optimizer(program, sources.optimizer, dtype)
    notes += _optimizer_notes(optimizer, sources.optimizer)
    raw, ema = (files.get(weights) or next(iter(files.values())) for weights in ("raw", "ema"))
    checkpoint = Checkpoint(
        version=hvaedsl.__version__,
        spec=program.resolved_text(),
        step=step,
        seed=program.training().seed,
        world_size=sources.processes,
        dtype=str(dtype).removeprefix("torch."),
        preparation=prepare.to_dict(),
        skipped_updates=0,
        skipped_in_a_row=0,
        wall_seconds=0.0,
        model={name: tensor.to(dtype) for name, tensor in raw.tensors.items()},
        ema={name: tensor.to(dtype) for name, tensor in ema.tensors.items()},
        optimizer=optimizer.state_dict,
    )
    read = {weights: file.path for weights, file in files.items()}
    read |= {} if sources.optimizer is None else {"optimizer": sources.optimizer}
    return Conversion(_write_folder(out, program, checkpoint, read, notes), checkpoint, tuple(notes))


def export_weights(run: Path, path: Path, weights: Weights, names: Names, *, replace: bool = False) -> int:
    """Write the weights of a run's last checkpoint to a file, `.safetensors` or torch's `.th`, `.pt` or `.pth`.

    Of a shared block the published names give one tensor for each application. A safetensors file also gets the spec,
    the step and what makes it a run again. Gives the number of tensors. Raises UsageError for a suffix or a folder that
    does not serve; RunError (5) for a folder that holds no run, a file that is there (unless `replace`), a cell without
    published names, or a file that cannot be written.
    """
    if path.suffix.lower() not in (SAFETENSORS, ".th", ".pt", ".pth"):
        raise UsageError(f"--to names a file that ends in {SAFETENSORS} or .th, not {path}")
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--to names a file in a folder that exists, not {path}")
    if path.exists() and not replace:
        raise OutputExists(f"{path} is there already", help="--force replaces it; or name another file")
    finished = FinishedRun.open(run, "cpu")
    checkpoint = finished.checkpoint
    tensors = renamed(finished.program, names, checkpoint.model if weights == "raw" else checkpoint.ema)
    with refusals_explained(path, "name another with --to"):
        if path.suffix.lower() == SAFETENSORS:
            write_safetensors(path, tensors, describe(checkpoint, weights, names))
        else:
            write_torch(path, tensors)
    return len(tensors)


def describe(checkpoint: Checkpoint, weights: Weights, names: Names) -> dict[str, str]:
    """The metadata of a safetensors file with the weights of a checkpoint."""
    return {
        "hvaedsl_version": checkpoint.version,
        "spec": checkpoint.spec,
        "step": str(checkpoint.step),
        "weights": weights,
        "names": names,
        "preparation": json.dumps(checkpoint.preparation),
    }


def _read(program: Program, path: Path) -> WeightFile:
    tensors, metadata = read_weights(path)
    ours, names = as_ours(program, tensors, path)
    return WeightFile(path, ours, names, metadata)


def _dtype(files: Iterable[WeightFile]) -> torch.dtype:
    """float64 where some weights are of that; else float32, which holds every narrower type exactly."""
    types = {tensor.dtype for file in files for tensor in file.tensors.values()}
    return torch.float64 if torch.float64 in types else torch.float32


def _step(sources: Sources, files: Iterable[WeightFile]) -> int | None:
    if sources.step is not None:
        return sources.step
    said = {file.step: file.path for file in files if file.step is not None}
    if len(said) > 1:
        told = ", ".join(f"{path.name}: {step}" for step, path in said.items())
        raise UsageError(f"the files are of different steps ({told}); say which one counts with --step")
    return next(iter(said), None)


def _preparation(program: Program, sources: Sources, files: Iterable[WeightFile]) -> tuple[Preparation, str]:
    """How images become inputs, and where that is known from."""
    data, likelihood = program.spec.data, program.spec.model.likelihood
    features = program.spec.model.fourier.exponents_at("image")
    if sources.trained_on is not None:
        chosen = published_preparation(data, likelihood, sources.trained_on, image_features=features)
        if chosen is None:
            known = ", ".join(name for name, dataset in DATASETS.items() if dataset.shift is not None)
            raise UsageError(
                f"--trained-on names a data set with published constants ({known}), of images with 256 levels that are "
                f"not binarised; found {sources.trained_on} for {data.dataset} with {data.levels} levels"
            )
        return chosen, f"the published constants of {sources.trained_on}"
    for file in files:
        if "preparation" in file.metadata:
            return _described_preparation(program, file), f"as {file.path.name} says"
    constants = published_preparation(data, likelihood, data.dataset, image_features=features)
    if constants is not None:
        return constants, f"the published constants of {data.dataset}"
    try:
        statistics = preparation(data, likelihood, open_split(data, "train"), image_features=features)
        return statistics, f"the statistics of {data.dataset}'s images"
    except RunError as error:
        raise DataNotFound(
            f"the input's shift and scale are unknown: {data.dataset} has no published ones, and {error}",
            help="--trained-on names the data set that the weights belong to, such as imagenet32_oord",
        ) from error


def _described_preparation(program: Program, file: WeightFile) -> Preparation:
    """What the metadata say. Raises RunError (5) where that cannot be read, or is not what the spec makes of images."""
    try:
        found = Preparation.from_dict(json.loads(file.metadata["preparation"]))
    except (ValueError, TypeError) as error:
        raise InvalidWeights(
            f"{file.path}: its metadata hold no readable `preparation`",
            help="--trained-on names the data set that the weights belong to",
        ) from error
    data, model = program.spec.data, program.spec.model
    both = {
        "data.levels": (found.levels, data.levels),
        "data.binarize": (found.binarize, data.binarize),
        "the bits of model.likelihood": (found.bits, model.likelihood.bits),
        "model.fourier.exponents, of the image": (found.image_features, model.fourier.exponents_at("image")),
    }
    differences = [
        f"{key}: {as_written(in_file)} in the file, {as_written(in_spec)} in the spec"
        for key, (in_file, in_spec) in both.items()
        if in_file != in_spec
    ]
    if differences:
        raise WeightsMismatch(
            f"{file.path}: its weights were trained on other inputs than the spec's; {'; '.join(differences)}",
            help="give the spec that they were trained with; --trained-on takes the spec's word, not the file's",
        )
    return found


def _optimizer(program: Program, path: Path | None, dtype: torch.dtype) -> OptimizerState:
    return fresh_state(program) if path is None else published_state(program, path, dtype)


def _optimizer_notes(state: OptimizerState, path: Path | None) -> list[str]:
    if path is None:
        return ["the optimiser starts anew where this run is resumed: no state of it was given"]
    taken = f"optimiser: the moments of {state.parameters:,} parameters after {state.updates:,} updates"
    return [taken, *(f"{difference}; a resumed run follows what was saved here" for difference in state.differences)]


def _check_free(out: Path) -> None:
    """Raise RunError (5) unless the folder can be made: a run is never replaced."""
    problem = ""
    with refusals_explained(out, "name another with --out"):
        if out.exists() and not out.is_dir():
            problem = f"{out} is not a folder"
        elif out.exists() and any(out.iterdir()):
            problem = f"{out} is not empty"
        elif out.parent.exists() and not out.parent.is_dir():
            problem = f"{out.parent} is not a folder"
    if problem:
        raise RunFolderInUse(problem, help="name another with --out")


def _write_folder(
    out: Path, program: Program, checkpoint: Checkpoint, read: Mapping[str, Path], notes: Iterable[str]
) -> RunFolder:
    """Fill a folder beside `out`, and give it that name when it is whole."""
    temporary = RunFolder(out.absolute().with_name(f".{out.name}.{os.getpid()}.partial"))
    origin = {name: {"file": path.name, "sha256": _sha256(path)} for name, path in read.items()}
    try:
        with refusals_explained(out, "name another with --out"):
            temporary.begin(program.name, checkpoint.spec, part_folders(program))
            save_checkpoint(temporary.checkpoint, checkpoint)
            temporary.write_json(
                temporary.path / "conversion.json", {"step": checkpoint.step, "read": origin, "notes": list(notes)}
            )
            if out.exists():
                out.rmdir()  # it is empty
            temporary.path.rename(out)
    finally:
        shutil.rmtree(temporary.path, ignore_errors=True)
    return RunFolder(out)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
