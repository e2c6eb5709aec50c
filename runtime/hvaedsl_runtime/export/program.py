"""A model as torch.export's program, loaded back and held against the model before the file gets its name."""

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
from hvaedsl_runtime.data import Preparation, open_split
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun, Weights
from hvaedsl_runtime.export.entry_points import What, entry_point
from hvaedsl_runtime.export.places import check_place, exported
from hvaedsl_runtime.noise import ImageNoise

SUFFIX = ".pt2"
DESCRIPTION = "hvaedsl.json"
SPEC = "spec.hvae"
# Two, for torch.export takes a batch of one for a constant; checked on other sizes too.
TRACED_BATCH = 2
CHECKED_BATCHES = (3, 1)
# Relative to the largest value of an output; rounding in another order, never more.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


@dataclass(frozen=True)
class ExportOptions:
    """What is exported, with which weights; `temperature` is that of `sample`, fixed in the program."""

    what: What
    weights: Weights = "ema"
    temperature: Temperature = 1.0
    replace: bool = False


@dataclass(frozen=True)
class Written:
    """A file that is in its place, and how far its outputs are from the model's at most."""

    path: Path
    maximum_difference: float


def export_program(finished: FinishedRun, path: Path, options: ExportOptions) -> Written:
    """Write an entry point of a run as a .pt2 whose batch size is free, with the spec and the preparation in it.

    The program is that of a CPU. Before the file gets its name it is loaded and run on images of the test split, in
    several batch sizes. Raises UsageError for a name that does not serve, and for a model that torch.export does not
    take; RunError: 4 for images that are not found; 5 for a file that is there already or cannot be written, and where
    what was loaded computes something else.
    """
    check_place(path, SUFFIX, replace=options.replace)
    model = finished.model(options.weights).requires_grad_(False)
    examples = Examples(finished, model, options.what)
    entry = entry_point(model, options.what, options.temperature)
    program = _traced(entry, examples(TRACED_BATCH))
    with exported(path) as temporary:
        _save(program, temporary, finished, options, examples)
        difference = _checked(temporary, path, entry, examples, finished.dtype)
    return Written(path, difference)


class Examples:
    """Inputs of an entry point, from the first images of the test split."""

    def __init__(self, finished: FinishedRun, model: HierarchicalVAE, what: What) -> None:
        self.what = what
        self.model = model
        self.dtype, self.device = finished.dtype, finished.device
        spec = finished.program.spec
        self.seed = spec.train.seed
        # Samples need no images.
        self.evaluator = None
        if what != "sample":
            self.evaluator = Evaluator(
                images=open_split(spec.data, "test"),
                preparation=Preparation.from_dict(finished.checkpoint.preparation),
                noise_seed=self.seed,
                split_seed=spec.data.split_seed,
                batch_size=TRACED_BATCH,
                processes=Processes(0, 1, finished.device),
                dtype=finished.dtype,
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs in order."""
        return {"loss": ("x", "target", "noise"), "reconstruct": ("x", "noise"), "sample": ("noise",)}[self.what]

    def __call__(self, batch: int) -> tuple[Any, ...]:
        """Inputs for so many images; a data set with fewer repeats them."""
        if self.evaluator is None:
            return (self.noise(range(batch)),)
        indices = [index % len(self.evaluator.images) for index in range(batch)]
        x, target = self.evaluator.prepared(indices)
        noise = self.noise(indices)
        return (x, target, noise) if self.what == "loss" else (x, noise)

    def noise(self, indices: Sequence[int]) -> list[Tensor]:
        """Every layer's, each [B, latent, R, R]."""
        drawn = ImageNoise(self.seed, "export", indices, self.device, self.dtype)
        return [drawn(layer, (len(indices), *shape)) for layer, shape in enumerate(latent_shapes(self.model))]


def latent_shapes(model: HierarchicalVAE) -> tuple[tuple[int, int, int], ...]:
    """The shape of every layer's latent, (latent, R, R)."""
    return tuple((step.latent, step.resolution, step.resolution) for step in model.plan.decoder_steps)


def _traced(entry: nn.Module, inputs: tuple[Any, ...]) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    free = {0: batch}
    shapes = tuple([free] * len(item) if isinstance(item, list) else free for item in inputs)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(entry, inputs, dynamic_shapes=shapes)
    except Exception as error:  # whatever a cell from elsewhere does that a graph cannot hold
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(f"torch.export does not take this model: {type(error).__name__}: {reason}") from error


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
        "noise_shapes": [list(shape) for shape in latent_shapes(examples.model)],
    }
    if options.what == "sample":
        description["temperature"] = options.temperature
    texts = {DESCRIPTION: json.dumps(description, indent=2, allow_nan=False), SPEC: checkpoint.spec}
    # Through memory: in writing to a full disk itself, torch.export ends the process.
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(program, buffer, extra_files=texts)
    path.write_bytes(buffer.getbuffer())


@torch.no_grad()
def _checked(path: Path, named: Path, entry: nn.Module, examples: Examples, dtype: torch.dtype) -> float:
    """The largest difference between the file's outputs and the model's. Raises RunError (5) for more than rounding."""
    with _quiet():
        loaded = torch.export.load(path).module()
    largest = 0.0
    for batch in CHECKED_BATCHES:
        inputs = examples(batch)
        ours, theirs = entry(*inputs), loaded(*inputs)
        for name, tensor in ours.items():
            other = theirs[name]
            difference = (tensor - other).abs().max().item() if tensor.shape == other.shape else float("inf")
            allowed = TOLERANCE[dtype] * max(1.0, tensor.abs().max().item())
            if not (torch.equal(tensor, other) or difference <= allowed):
                raise ExportFailed(
                    f"{named}: not written: the exported program's {name} is {difference:.3g} from the model's, for "
                    f"a batch of {batch}",
                    help="the weights are safe in the run folder; --to safetensors writes them",
                )
            largest = max(largest, difference if difference == difference else 0.0)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch.export's warnings about itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
