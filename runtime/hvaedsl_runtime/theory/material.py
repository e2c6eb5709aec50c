"""What the checks are made on: genuine images and models, of a run or of the digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.program import Program
from hvaedsl.shipped import shipped
from hvaedsl_runtime.data import Preparation, open_split, preparation
from hvaedsl_runtime.distributed import Processes
from hvaedsl_runtime.evaluation import Evaluator
from hvaedsl_runtime.finished_run import FinishedRun
from hvaedsl_runtime.noise import ImageNoise
from hvaedsl_runtime.results import WEIGHTS

IMAGES = 128
VALUES = 2**22  # fewer images where they are large: float64 fields and their transforms are held at once
SMALL_BATCH = 8
SCALE_OF_ZEROS = 0.1


@dataclass(frozen=True)
class Material:
    """The images of a data set's test split, and models that take them; `source` says which, in words."""

    source: str
    images: Tensor  # [N, C, R, R], levels scaled to [0, 1], float64
    models: Mapping[str, HierarchicalVAE]  # by the kind of weights, in float64
    evaluator: Evaluator
    batch_size: int
    small_model: HierarchicalVAE  # of the shipped digits: 7 stochastic layers
    small_batch: tuple[Tensor, Tensor]

    def batches(self) -> Iterator[tuple[Tensor, Tensor, ImageNoise]]:
        """The images as models take them: (x, target, noise), both [B, H, W, C], every image once."""
        for start in range(0, len(self.images), self.batch_size):
            indices = list(range(start, min(start + self.batch_size, len(self.images))))
            yield (*self.evaluator.prepared(indices), self.evaluator.noise(indices))


def digits_material(seed: int) -> Material:
    """The digits, and the shipped model of them with random weights."""
    program = hvaedsl.load(shipped("specs") / "digits.hvae")
    train = open_split(program.spec.data, "train")
    evaluator = _evaluator(program, preparation(program.spec.data, program.spec.model.likelihood, train), "cpu")
    model = random_model(program, seed)
    return Material(
        source="the digits of scikit-learn; specs/digits.hvae with random weights",
        images=_images(evaluator),
        models={"random weights": model},
        evaluator=evaluator,
        batch_size=program.training().batch_size,
        small_model=model,
        small_batch=evaluator.prepared(list(range(SMALL_BATCH))),
    )


def run_material(run: FinishedRun, seed: int) -> Material:
    """The test images of a run, and its model with both kinds of weights; B.4 stays with the digits.

    Raises RunError (4) where the images are not found.
    """
    evaluator = _evaluator(run.program, Preparation.from_dict(run.checkpoint.preparation), run.device.type)
    small = digits_material(seed)
    return Material(
        source=f"{run.folder.path}: {run.program.spec.data.dataset} test images, weights after "
        f"{run.checkpoint.step} steps; B.4: specs/digits.hvae with random weights",
        images=_images(evaluator),
        models={WEIGHTS["raw"]: run.model("raw").double(), WEIGHTS["ema"]: run.model("ema").double()},
        evaluator=evaluator,
        batch_size=run.program.training().batch_size,
        small_model=small.small_model,
        small_batch=small.small_batch,
    )


def random_model(program: Program, seed: int) -> HierarchicalVAE:
    """A model in float64, initialised from a seed, with small normal draws for what begins as zero.

    A fresh prior ends in a convolution of zeros: it is then the same for all images at every layer, whatever it reads,
    and a check of Theorem 5 would say nothing.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = program.module().double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if not parameter.any():
                    parameter.normal_(std=SCALE_OF_ZEROS)
    return model


def _evaluator(program: Program, prepared: Preparation, device: str) -> Evaluator:
    training = program.training()
    return Evaluator(
        images=open_split(program.spec.data, "test"),
        preparation=prepared,
        noise_seed=training.seed,
        split_seed=program.spec.data.split_seed,
        batch_size=training.batch_size,
        processes=Processes(0, 1, torch.device(device)),
        dtype=torch.float64,
    )


def _images(evaluator: Evaluator) -> Tensor:
    images = evaluator.images
    count = min(len(images), IMAGES, max(1, VALUES // prod(images.shape)))
    pixels = torch.from_numpy(images.batch(range(count))).permute(0, 3, 1, 2)
    return pixels.double() / (images.levels - 1)
