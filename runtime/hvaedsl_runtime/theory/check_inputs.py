"""The inputs of the theory checks: images and float64 models, of a run or of the shipped spec `digits`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.cells import Cell
from hvaedsl.program import Program
from hvaedsl.shipped import shipped
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data import open_split, preparation
from hvaedsl_runtime.distributed import Processes, has_float64
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.model import initial_model
from hvaedsl_runtime.noise import LayerNoise

IMAGES = 128
VALUES = 2**22  # fewer images if they are large: float64 images and their transforms are in memory at the same time
SMALL_BATCH = 8
SCALE_OF_ZEROS = 0.1
CPU = torch.device("cpu")


@dataclass(frozen=True)
class CheckInputs:
    """Images of a dataset's test split and models that accept them; `source` describes both in a sentence.

    `models` are in float64, by kind of weights: `raw` and `ema`, or `random`. `small_model` and `small_batch` are for
    B.4: the shipped model of digits, with 7 stochastic layers.
    """

    source: str
    models: Mapping[str, HierarchicalVAE]
    evaluator: Evaluator
    small_model: HierarchicalVAE
    small_batch: tuple[Tensor, Tensor]

    @property
    def indices(self) -> list[int]:
        """The images used, spread evenly over the split, because some datasets are ordered by class."""
        available = len(self.evaluator.images)
        count = min(available, IMAGES, max(1, VALUES // prod(self.evaluator.images.shape)))
        return [position * available // count for position in range(count)]

    def images(self) -> Tensor:
        """The images, [N, C, R, R] in float64: levels scaled to [0, 1], or standardized real values."""
        images, prepare = self.evaluator.images, self.evaluator.preparation
        found = prepare.tensor(images.batch(self.indices))
        if not images.levels:
            return prepare(found, dtype=torch.float64)[1].permute(0, 3, 1, 2)
        return found.permute(0, 3, 1, 2).double() / (images.levels - 1)

    def batches(self, description: str) -> Iterator[tuple[Tensor, Tensor, LayerNoise]]:
        """The images in batches (x, target, noise), x and target [B, H, W, C]; with a progress bar on a terminal."""
        indices, size = self.indices, self.evaluator.batch_size
        with image_bar(description, len(indices)) as advance:
            for start in range(0, len(indices), size):
                batch = indices[start : start + size]
                yield (*self.evaluator.prepared(batch), self.evaluator.noise(batch))
                advance(len(batch))


def digits_inputs(seed: int) -> CheckInputs:
    """The digits dataset, and the shipped model of it with random weights."""
    program = hvaedsl.load(shipped("specs") / "digits.hvae")
    data, training = program.spec.data, program.training()
    evaluator = Evaluator(
        images=open_split(data, "test"),
        preparation=preparation(data, program.spec.model.likelihood, open_split(data, "train")),
        noise_seed=seed,
        split_seed=data.split_seed,
        batch_size=training.batch_size,
        processes=Processes(0, 1, CPU),
        dtype=torch.float64,
        layers=program.plan().latent_shapes,
    )
    model = random_model(program, seed)
    return CheckInputs(
        source="images: digits of scikit-learn; model: specs/digits.hvae, random weights",
        models={"random": model},
        evaluator=evaluator,
        small_model=model,
        small_batch=evaluator.prepared(list(range(SMALL_BATCH))),
    )


def run_inputs(run: FinishedRun, seed: int) -> CheckInputs:
    """The test images of a run, and its model with raw and with averaged weights; B.4 still uses the digits.

    Theorem 5 is checked on the outputs of the prior network. A custom cell that is not a `hvaedsl.nn.cells.Cell` may
    have none: `models` is then empty, and `source` says so. Raises DataNotFound, InvalidData.
    """
    digits = digits_inputs(seed)
    moved = ""
    if not has_float64(run.device):
        moved = f", on the CPU, because {run.device.type} has no float64"
        run = replace(run, device=CPU)
    models = {"raw": run.model("raw").double(), "ema": run.model("ema").double()}

    omitted = ""
    raw, model = models["raw"], run.program.spec.model
    steps = (step for step in raw.plan.layers if not isinstance(raw.decoder.block(step), Cell))
    if others := dict.fromkeys(model.cell_at(step.resolution) for step in steps):
        models = {}
        omitted = f"; Theorem 5 is omitted, because {' and '.join(others)} is not a hvaedsl.nn.cells.Cell"

    return replace(
        digits,
        source=f"images: {run.program.spec.data.dataset}, test; model: {run.folder.path} after "
        f"{run.checkpoint.step} steps{moved}; B.4: specs/digits.hvae, random weights{omitted}",
        models=models,
        evaluator=replace(run.evaluator("test"), dtype=torch.float64),
    )


def random_model(program: Program, seed: int) -> HierarchicalVAE:
    """A model in float64, initialized from a seed, with small normal draws for the weights that start as zero.

    A new prior ends in a convolution of zeros. It is the same for all images at every layer, whatever its input, so
    that a check of Theorem 5 could not fail.
    """
    with torch.random.fork_rng(devices=()), torch.no_grad():
        model = initial_model(program, seed, CPU, torch.float64).eval()
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=SCALE_OF_ZEROS)
    return model
