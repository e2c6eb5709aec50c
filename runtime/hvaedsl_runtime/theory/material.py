"""What the checks are made on: genuine images and models, of a run or of the digits that come with scikit-learn."""

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
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.model import initial_model
from hvaedsl_runtime.noise import ImageNoise

IMAGES = 128
VALUES = 2**22  # fewer images where they are large: fields in float64 and their transforms are held at once
SMALL_BATCH = 8
SCALE_OF_ZEROS = 0.1
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Material:
    """Images of a data set's test split, and models that take them; `source` says which, in words."""

    source: str
    models: Mapping[str, HierarchicalVAE]  # by the kind of weights, in float64
    evaluator: Evaluator
    small_model: HierarchicalVAE  # of the shipped digits: 7 stochastic layers
    small_batch: tuple[Tensor, Tensor]

    @property
    def indices(self) -> list[int]:
        """The images that are looked at, spread evenly over the split: some data sets are ordered by class."""
        available = len(self.evaluator.images)
        count = min(available, IMAGES, max(1, VALUES // prod(self.evaluator.images.shape)))
        return [position * available // count for position in range(count)]

    def images(self) -> Tensor:
        """The images, [N, C, R, R] in float64, levels scaled to [0, 1]."""
        images = self.evaluator.images
        return torch.from_numpy(images.batch(self.indices)).permute(0, 3, 1, 2).double() / (images.levels - 1)

    def batches(self, description: str) -> Iterator[tuple[Tensor, Tensor, ImageNoise]]:
        """The images as models take them: (x, target, noise), both [B, H, W, C]; with a bar on a terminal."""
        indices, size = self.indices, self.evaluator.batch_size
        with image_bar(description, len(indices)) as advance:
            for start in range(0, len(indices), size):
                batch = indices[start : start + size]
                yield (*self.evaluator.prepared(batch), self.evaluator.noise(batch))
                advance(len(batch))


def digits_material(seed: int) -> Material:
    """The digits, and the shipped model of them with random weights."""
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
    )
    model = random_model(program, seed)
    return Material(
        source="images: digits of scikit-learn; model: specs/digits.hvae, random weights",
        models={"random": model},
        evaluator=evaluator,
        small_model=model,
        small_batch=evaluator.prepared(list(range(SMALL_BATCH))),
    )


def run_material(run: FinishedRun, seed: int) -> Material:
    """The test images of a run, and its model with both kinds of weights; B.4 stays with the digits.

    Theorem 5 is checked on what the prior's network gives: a cell of one's own without one is left out, and `source`
    says so. Raises RunError (4) where the images are not found.
    """
    small = digits_material(seed)
    models = {"raw": run.model("raw").double(), "ema": run.model("ema").double()}
    left_out = ""
    if any(not isinstance(block, Cell) for block in models["raw"].decoder.blocks.values()):
        models, left_out = (
            {},
            f"; Theorem 5 is left out, since {run.program.spec.model.cell} is no hvaedsl.nn.cells.Cell",
        )
    return replace(
        small,
        source=f"images: {run.program.spec.data.dataset}, test; model: {run.folder.path} after "
        f"{run.checkpoint.step} steps; B.4: specs/digits.hvae, random weights{left_out}",
        models=models,
        evaluator=replace(run.evaluator("test"), dtype=torch.float64),
    )


def random_model(program: Program, seed: int) -> HierarchicalVAE:
    """A model in float64, initialised from a seed, with small normal draws for what begins as zero.

    A fresh prior ends in a convolution of zeros: it is then the same for all images at every layer, whatever it reads,
    and a check of Theorem 5 would say nothing.
    """
    with torch.random.fork_rng(devices=()), torch.no_grad():
        model = initial_model(program, seed, CPU, torch.float64).eval()
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=SCALE_OF_ZEROS)
    return model
