"""A run folder with a checkpoint: load its model, evaluate it on a split, and draw samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import RunNotFound, UsageError
from hvaedsl.diagnostics.refusals import ANOTHER_FILE, refusals_explained
from hvaedsl.diagnostics.streams import say
from hvaedsl.ir.run_options import DeviceName
from hvaedsl.lowering.module import HierarchicalVAE, Temperature
from hvaedsl.program import CustomParts, Program
from hvaedsl_runtime.console import image_bar
from hvaedsl_runtime.data import (
    AnyPreparation,
    ImageSet,
    Split,
    differences,
    fingerprint,
    open_split,
    preparation_from,
)
from hvaedsl_runtime.disk.checked_json import checked_content
from hvaedsl_runtime.disk.checkpoint import Checkpoint, load_checkpoint
from hvaedsl_runtime.disk.checkpoint_names import FORMER_LAST, name_of, steps_in
from hvaedsl_runtime.disk.no_checkpoint import without_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder, check_output_path, require_run
from hvaedsl_runtime.disk.saved_checkpoints import candidates, load_best, newest_good
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import write_whole
from hvaedsl_runtime.distributed import Processes, choose_device, say_untested
from hvaedsl_runtime.evaluate.evaluator import Evaluator, LikelihoodBound
from hvaedsl_runtime.evaluate.fixed_batches import PriorSampler, fixed_batch_size
from hvaedsl_runtime.evaluate.results import WEIGHTS
from hvaedsl_runtime.evaluate.units import reporting_unit
from hvaedsl_runtime.model import initial_model, placed_model, set_matrix_precision

Weights = Literal["raw", "ema"]


@dataclass(frozen=True)
class FinishedRun:
    """A run folder with a checkpoint, of a finished run or not, and the program in the checkpoint."""

    folder: RunFolder
    program: Program
    checkpoint: Checkpoint
    device: torch.device
    last_step: int = 0  # of the run; the checkpoint is of an earlier one under `train.stop_after`

    @classmethod
    def open(cls, path: Path, device: DeviceName | None, which: str | None = None) -> FinishedRun:
        """Open a run folder with one of its checkpoints: `best`, `last`, or the number of its step.

        The default is the last one, or under `train.stop_after` that of the lowest validation bound. If the last one is
        damaged, the one before it is taken, after a message that names the file.

        Raises RunNotFound for a folder without a run or a checkpoint, UsageError for a step without one, DamagedRun for
        a checkpoint that cannot be read, DeviceNotFound for a device that is not available.
        """
        folder = require_run(path)
        if not candidates(folder.checkpoints):
            raise without_checkpoint(folder)
        if (changed := folder.changed_spec()) is not None:
            say(f"{changed}; the spec in the checkpoint is used", err=True)

        checkpoint = _checkpoint(folder, which)
        program = hvaedsl.loads(checkpoint.spec, path=folder.spec, custom=CustomParts(folder.part_folders()))
        last_step = max(checkpoint.step, folder.newest_step() or 0)
        if which is None and program.spec.train.stop_after is not None:
            checkpoint = load_best(folder.checkpoints) or checkpoint
        set_matrix_precision(program.spec.train.precision)
        chosen = choose_device(device, dtype=checkpoint.position.torch_dtype)
        say_untested(chosen)
        return cls(folder, program, checkpoint, chosen, last_step)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return self.checkpoint.position.torch_dtype

    @property
    def preparation(self) -> AnyPreparation:
        """How images become inputs. Raises DamagedRun if the checkpoint does not say."""
        try:
            return preparation_from(self.checkpoint.preparation)
        except (TypeError, ValueError) as error:
            raise self.checkpoint.unusable("`preparation` is not that of a run") from error

    def model(self, weights: Weights) -> HierarchicalVAE:
        """Build the model with the weights of the last step (raw), or with their moving average (ema).

        Raises Diverged if some weights are not finite, DamagedRun if they do not fit the spec.
        """
        model = placed_model(self.program, self.device, self.dtype)
        try:
            model.load_state_dict(self.checkpoint.finite_weights(weights))
        except (AttributeError, RuntimeError, TypeError) as error:  # as torch reports what does not fit
            raise self.checkpoint.unusable(f"its {weights} weights are not those of its spec") from error
        return model.eval()

    def initial_model(self) -> HierarchicalVAE:
        """Build the model with the weights before the first step, as far as torch draws the same numbers again."""
        with torch.random.fork_rng(devices=[]):
            return initial_model(self.program, self.checkpoint.position.seed, self.device, self.dtype).eval()

    def evaluator(self, split: Split, batch_size: int | None = None) -> Evaluator:
        """Make the evaluator that training uses: noise and binarization depend on seeds and an image's index.

        Says if the images of the split are not those that the run was trained with.
        Raises as `open_split` does: DataNotFound for missing images, InvalidData for others than the spec's.
        """
        spec = self.program.spec
        images = open_split(spec.data, split, size=spec.train.augment.random_crop, trained=True)
        recorded = self.folder.recorded_images().get(split)
        if recorded is not None:
            for change in differences({split: recorded}, {split: fingerprint(images)}):
                say(f"the images have changed since the run: {change}", err=True)
        return self.evaluator_of(images, batch_size)

    def evaluator_of(self, images: ImageSet, batch_size: int | None = None) -> Evaluator:
        """Make the evaluator of opened images, which have the shape and levels of the spec."""
        training = self.program.training()
        return Evaluator(
            images=images,
            preparation=self.preparation,
            noise_seed=training.seed,
            split_seed=self.program.spec.data.split_seed,
            batch_size=batch_size or self.checkpoint.position.micro_batch or training.batch_size,
            processes=Processes(0, 1, self.device),
            dtype=self.dtype,
            layers=self.program.plan().latent_shapes,
        )

    def evaluate(
        self, split: Split, batch_size: int | None = None, kinds: Sequence[Weights] = ("raw", "ema")
    ) -> dict[str, LikelihoodBound]:
        """Compute the bound on a whole split for each kind of weights, as training reports it at this step.

        Raises DataNotFound and InvalidData as `evaluator` does.
        """
        evaluator = self.evaluator(split, batch_size)
        bounds: dict[str, LikelihoodBound] = {}
        for weights in kinds:
            with image_bar(f"{split}, {WEIGHTS[weights]}", len(evaluator.images)) as advance:
                bounds[weights] = evaluator(self.model(weights), advance)
        return bounds

    def evaluation(self, split: Split, bounds: Mapping[str, LikelihoodBound]) -> dict[str, Any]:
        """Return the result of `evaluate` as JSON values."""
        return {
            "split": split,
            "step": self.checkpoint.step,
            "unit": reporting_unit(self.program.spec).key,
            **{name: bound.to_dict() for name, bound in bounds.items()},
        }

    def evaluation_file(self, split: Split) -> Path:
        """The file in which the result of `evaluate` is looked for."""
        return self.folder.path / f"eval_{split}.json"

    def check_evaluation_path(self, split: Split, path: Path) -> None:
        """Raise UsageError if a result in this file would replace another file, WriteError if it cannot be written.

        What is in `evaluation_file` is replaced even if it is damaged.
        """
        check_output_path(path, ANOTHER_FILE)
        if path.is_file() and path != self.evaluation_file(split) and not _is_evaluation(_json_in(path)):
            raise UsageError(f"{path} exists and is no result of hvaedsl eval", help=f"remove it, or {ANOTHER_FILE}")

    def write_evaluation(self, split: Split, bounds: Mapping[str, LikelihoodBound], path: Path | None = None) -> None:
        """Write the result of `evaluate` to a file, by default `evaluation_file`.

        An existing file of the same step keeps its results for the other kind of weights. Raises WriteError, which
        suggests --out.
        """
        path, result = path or self.evaluation_file(split), self.evaluation(split, bounds)
        before = _json_in(path)
        if before is None and path.exists():
            say(f"{path}: what it had is damaged, and is replaced", err=True)
        if _is_evaluation(before) and before.get("step") == self.checkpoint.step:
            result |= {name: before[name] for name in WEIGHTS if name in before and name not in result}
        with refusals_explained(path, ANOTHER_FILE):
            if path == self.evaluation_file(split):
                self.folder.write_json(path, result)
            else:  # a file of the user's own
                write_whole(path, json_text(result, indent=2) + "\n")

    def sample(self, weights: Weights, count: int, temperature: Temperature, seed: int, asked: str = "") -> Tensor:
        """Draw images from the prior, [count, H, W, C]: image i is a function of (seed, i), weights, temperature.

        They are uint8, or int32 if there are more than 256 levels; real values are float32 in the unit of the file.
        Raises UsageError for a temperature that is not a positive, finite number, and for a count below 1; Diverged for
        images that are not finite, which names the temperature as `asked`.
        """
        check_samples(count, temperature)
        return self.prior(self.model(weights), seed, asked)(count, temperature)

    def prior(self, model: HierarchicalVAE, seed: int, asked: str = "") -> PriorSampler:
        """Make the sampler of images from a model's prior; it raises Diverged if they are not finite."""
        size = fixed_batch_size(self.program)
        return PriorSampler(
            model, size, seed, self.device, self.dtype, only_finite=True, asked=asked, preparation=self.preparation
        )


def _checkpoint(folder: RunFolder, which: str | None) -> Checkpoint:
    """The checkpoint that `--checkpoint` names. Raises as `FinishedRun.open` does."""
    if which in (None, "last"):
        checkpoint = newest_good(folder.checkpoints, lambda line: say(line, err=True))
        if checkpoint is None:
            raise without_checkpoint(folder)
        return checkpoint

    steps = steps_in(folder.checkpoints)
    there = f"the checkpoints there are: {', '.join(map(str, steps))}" if steps else "use --checkpoint last"
    if which == "best":
        best = load_best(folder.checkpoints)
        if best is None:
            raise RunNotFound(
                f"{folder.path} has no checkpoint that is known as the best: no finite validation bound was recorded",
                help=f"use --checkpoint last or the number of a step; {there}",
            )
        return best
    if which is None or not which.isdecimal():
        raise UsageError(f"--checkpoint is {which}; it must be best, last or the number of a step", help=there)
    if int(which) in steps:
        return load_checkpoint(folder.checkpoints / name_of(int(which)))
    former = folder.checkpoints / FORMER_LAST
    if former.exists() and (found := load_checkpoint(former)).step == int(which):
        return found
    raise RunNotFound(f"{folder.path} has no checkpoint of step {which}", help=there)


def _json_in(path: Path) -> Any:
    """The object in a JSON file, without its checksum; None if it is missing, or has none."""
    try:
        return checked_content(path.read_bytes().removesuffix(b"\n"))
    except (OSError, ValueError):
        return None


def _is_evaluation(content: object) -> bool:
    """Whether the content of a JSON file is the result of an evaluation."""
    return isinstance(content, dict) and {"split", "step"} <= content.keys()


def check_samples(count: int, temperature: Temperature) -> None:
    """Raise UsageError unless every temperature is positive and finite, and the count at least 1."""
    if count < 1:
        raise UsageError(f"the number of samples is {count}; it must be at least 1")
    values = temperature.values() if isinstance(temperature, Mapping) else (temperature,)
    for value in values:
        if not 0 < value < math.inf:
            raise UsageError(f"the temperature is {value:g}; it must be a positive, finite number")
