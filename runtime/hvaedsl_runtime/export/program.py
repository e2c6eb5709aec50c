"""Export a model with torch.export; the file is loaded and compared with the model before it gets its name."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import hvaedsl
from hvaedsl.diagnostics.errors import ExportFailed, UsageError
from hvaedsl.lowering.module import HierarchicalVAE, Temperature
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.evaluate.fixed_batches import not_finite
from hvaedsl_runtime.export.entry_points import EntryPoint, entry_point
from hvaedsl_runtime.export.output_file import check_output, output_file
from hvaedsl_runtime.noise import image_noise

SUFFIX = ".pt2"
DESCRIPTION = "hvaedsl.json"
SPEC = "spec.hvae"
# Traced with two images, because torch.export makes a batch of one a constant; checked with other sizes too.
TRACED_BATCH = 2
CHECKED_BATCHES = (3, 1)
# Relative to the largest value of an output: allows for another order of rounding, and nothing else.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


@dataclass(frozen=True)
class ExportOptions:
    """The entry point and the weights to export; `temperature` is for `sample`, and a constant of the program.

    `asked` is the temperature as the user wrote it, for messages; empty for that of the spec.
    """

    what: EntryPoint
    weights: Weights = "ema"
    temperature: Temperature = 1.0
    replace: bool = False
    asked: str = ""


@dataclass(frozen=True)
class ExportedFile:
    """An exported program, and the largest difference between its outputs and the model's."""

    path: Path
    maximum_difference: float


def export_program(finished: FinishedRun, path: Path, options: ExportOptions) -> ExportedFile:
    """Export an entry point of a run as a .pt2 file with a dynamic batch size, the spec and the preparation.

    The program runs on the CPU. Before the file gets its name, it is loaded and run on images of the test split in
    several batch sizes. Raises UsageError for an unsuitable name and for a model that torch.export rejects,
    DataNotFound for missing images, OutputExists for an existing file, ExportFailed if the program's outputs differ
    from the model's, Diverged if these are not finite, WriteError if the file cannot be written.
    """
    check_output(path, SUFFIX, replace=options.replace)

    model = finished.model(options.weights).requires_grad_(False)
    examples = Examples(finished, model, options.what)
    entry = entry_point(model, options.what, options.temperature)
    program = _traced(entry, examples(TRACED_BATCH))

    with output_file(path) as temporary:
        _save(program, temporary, finished, options, examples)
        difference = _checked(temporary, path, entry, examples, finished.dtype, options.asked)
    return ExportedFile(path, difference)


class Examples:
    """Inputs of an entry point, from the first images of the test split."""

    def __init__(self, finished: FinishedRun, model: HierarchicalVAE, what: EntryPoint) -> None:
        self.what = what
        self.model = model
        self.dtype, self.device = finished.dtype, finished.device
        spec = finished.program.spec
        self.seed = spec.train.seed
        # Samples need no images, so an export of `sample` works without the dataset.
        self.evaluator = None
        if what != "sample":
            self.evaluator = Evaluator(
                images=open_split(spec.data, "test", size=spec.train.augment.random_crop, trained=True),
                preparation=finished.preparation,
                noise_seed=self.seed,
                split_seed=spec.data.split_seed,
                batch_size=TRACED_BATCH,
                processes=Processes(0, 1, finished.device),
                dtype=finished.dtype,
                layers=model.plan.latent_shapes,
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, in order."""
        return {"loss": ("x", "target", "noise"), "reconstruct": ("x", "noise"), "sample": ("noise",)}[self.what]

    def __call__(self, batch: int) -> tuple[Any, ...]:
        """Return the inputs of `batch` images; a dataset with fewer images repeats them."""
        if self.evaluator is None:
            return (self.noise(range(batch)),)
        indices = [index % len(self.evaluator.images) for index in range(batch)]
        x, target = self.evaluator.prepared(indices)
        noise = self.noise(indices)
        return (x, target, noise) if self.what == "loss" else (x, noise)

    def noise(self, indices: Sequence[int]) -> list[Tensor]:
        """Return each layer's noise, [B, latent, height, width]."""
        layers = self.model.plan.latent_shapes
        drawn = image_noise(self.seed, "export", indices, layers, self.device, self.dtype)
        return [drawn(layer, (len(indices), *shape)) for layer, shape in enumerate(layers)]


def _traced(entry: nn.Module, inputs: tuple[Any, ...]) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    free = {0: batch}
    shapes = tuple([free] * len(item) if isinstance(item, list) else free for item in inputs)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(entry, inputs, dynamic_shapes=shapes)
    except Exception as error:  # any error: a custom cell may do anything
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(f"torch.export cannot export this model: {type(error).__name__}: {reason}") from error


def _save(
    program: torch.export.ExportedProgram,
    path: Path,
    finished: FinishedRun,
    options: ExportOptions,
    examples: Examples,
) -> None:
    checkpoint = finished.checkpoint
    description = {
        "hvaedsl_version": hvaedsl.__version__,
        "name": finished.folder.model_name() or finished.program.name,
        "what": options.what,
        "weights": options.weights,
        "step": checkpoint.step,
        "dtype": checkpoint.position.dtype,
        "preparation": checkpoint.preparation,
        "inputs": list(examples.names),
        "noise_shapes": [list(shape) for shape in examples.model.plan.latent_shapes],
    }
    if options.what == "sample":
        description["temperature"] = options.temperature
    texts = {DESCRIPTION: json.dumps(description, indent=2, allow_nan=False), SPEC: checkpoint.spec}

    # Through memory: if the disk is full, torch.export ends the process when it writes a file itself.
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(program, buffer, extra_files=texts)
    path.write_bytes(buffer.getbuffer())


@torch.no_grad()
def _checked(path: Path, named: Path, entry: nn.Module, examples: Examples, dtype: torch.dtype, asked: str) -> float:
    """Return the largest difference between the file's outputs and the model's.

    Raises ExportFailed if it is more than rounding, Diverged if the model's are not finite.
    """
    with _quiet(), path.open("rb") as file:  # torch.export reads no file whose name is not UTF-8
        loaded = torch.export.load(file).module()

    largest = 0.0
    for batch in CHECKED_BATCHES:
        inputs = examples(batch)
        ours, theirs = entry(*inputs), loaded(*inputs)
        for name, tensor in ours.items():
            other = theirs[name]
            if not tensor.isfinite().all():
                raise not_finite(f"{named}: not written: the model's {name} is not finite", asked)
            difference = (tensor - other).abs().max().item() if tensor.shape == other.shape else float("inf")
            allowed = TOLERANCE[dtype] * max(1.0, tensor.abs().max().item())
            if not (torch.equal(tensor, other) or difference <= allowed):
                raise ExportFailed(
                    f"{named}: not written: the exported program's {name} differs from the model's by {difference:.3g} "
                    f"for a batch of {batch}; it may differ by {allowed:.3g}",
                    help="the run folder is unchanged; export the weights with --to safetensors",
                )
            largest = max(largest, difference if difference == difference else 0.0)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings of torch.export about its own internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
