"""The published code (openai/vdvae) and a compiled model side by side: architecture, weights, images, precision alike.

Run as `OMP_NUM_THREADS=1 python -m benchmarks.against_vdvae --reference CHECKOUT [--spec cifar] [--width 64]`. Losses
and gradients are compared first, in float64. Then whole training steps, from images of 8 bits to the averaged weights,
and evaluations are timed in turn (`interleaved.py`), in CPU time or by a GPU's events. A ratio is the published code's
time over ours. Both sides have the same threads, TF32, cuDNN and allocator settings, since they run in one process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import hvaedsl
from benchmarks.interleaved import Ratio, Rounds, clock_of, measure
from benchmarks.published_code import PublishedCode, inputs
from hvaedsl import Program
from hvaedsl.lowering.names import published_names
from hvaedsl_runtime.data.images import ArrayImages, ImageSet
from hvaedsl_runtime.data.preparation import preparation
from hvaedsl_runtime.disk.state_parts import Position
from hvaedsl_runtime.distributed import Processes, choose_device
from hvaedsl_runtime.evaluate.evaluator import Evaluator
from hvaedsl_runtime.model import set_matrix_precision
from hvaedsl_runtime.noise import StepNoise
from hvaedsl_runtime.train.batches import TrainingBatches
from hvaedsl_runtime.train.state import TrainState
from hvaedsl_runtime.train.step import TrainingStep

# The floors of a CPU at width 64 and batch 4, which the lower end of an interval has to reach.
UNCHANGED, FUSED, SHARED, EVALUATION = 1.18, 1.10, 1.15, 1.20
AFTER_WARM_UP = 10_000  # a step whose learning rate is the full one
EVALUATED_BATCHES = 4  # in one evaluation: what it does once is a small part of a whole split
AGREEMENT = 1e-9  # relative, in float64


class Ours:
    """A run's own objects: its state, its step and its evaluation, on some images."""

    def __init__(self, program: Program, images: ImageSet, device: torch.device) -> None:
        self.processes = Processes(0, 1, device)
        self.training = program.training().for_run(len(images))
        prepared = preparation(program.spec.data, program.spec.model.likelihood, images)
        self.state = TrainState.initial(program, prepared, Position(), device)
        self.state.position.micro_batch = self.training.batch_size
        self.preparation = prepared
        self._step = TrainingStep(self.state, self.training, self.processes)
        self._batches = TrainingBatches(
            images,
            prepared,
            seed=0,
            batch_size=self.training.batch_size,
            processes=self.processes,
            dtype=torch.float32,
            layers=self.state.model.plan.latent_shapes,
        )
        several = replace(images, members=np.tile(images.members, EVALUATED_BATCHES))
        self._evaluate = Evaluator(
            several,
            prepared,
            noise_seed=0,
            split_seed=0,
            batch_size=self.training.batch_size,
            processes=self.processes,
            dtype=torch.float32,
            layers=self.state.model.plan.latent_shapes,
        )
        self._taken = 0

    def step(self) -> float:
        """A training step: its loss in nats per dimension."""
        self._taken += 1
        return self._step(AFTER_WARM_UP + self._taken, self._batches(self._taken)).loss_nats_per_dim

    def evaluation(self) -> float:
        """The loss of some batches under the averaged weights, in nats per dimension."""
        return self._evaluate(self.state.ema.model).loss_nats_per_dim


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratios; 1 if the sides disagree or a floor is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.against_vdvae", description=__doc__.partition("\n")[0])
    parser.add_argument("--reference", type=Path, required=True, help="a checkout of openai/vdvae")
    parser.add_argument("--spec", default="cifar", help="a shipped spec or a file (default: cifar)")
    parser.add_argument("--width", type=int, help="model.width (default: 64 on a CPU)")
    parser.add_argument("--batch", type=int, help="images of a step (default: 4 on a CPU)")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--after", type=int, default=0, help="training steps before the weights are compared")
    parser.add_argument("--images", type=Path, help="uint8 [N, H, W, C] as .npy (default: random ones)")
    parser.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args(arguments)

    device = choose_device(given.device)
    on_cpu = device.type == "cpu"
    sets: dict[str, object] = {
        "model.width": given.width or (64 if on_cpu else None),
        "train.batch_size": given.batch or (4 if on_cpu else None),
        "train.skip_above": "none",  # a step that is skipped on one side takes less time
    }
    program = hvaedsl.load(given.spec, sets={key: value for key, value in sets.items() if value is not None})
    set_matrix_precision(program.training().precision)
    if not on_cpu:  # the published code leaves both on
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, True

    code = PublishedCode(given.reference)
    images = image_set(program, given.images)
    ours = Ours(program, images, device)
    for _ in range(given.after):
        ours.step()
    if (difference := disagreement(program, code, ours, images)) > AGREEMENT:
        print(f"the two models disagree: relative difference {difference:.1e}", file=sys.stderr)
        return 1

    print(
        f"{given.spec}, width {program.bridge.head.channels}, batch {ours.training.batch_size}, {device_name(device)}"
    )
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; loss and gradients agree to {difference:.1e}")
    rounds, ratios = ratios_of(program, code, ours, images, given.rounds, is_cpu=on_cpu)
    for name in rounds.seconds:
        print(f"{name:<48}{1000 * rounds.median(name):7.1f} ms")
    for ratio in ratios:
        print(ratio)
    if given.json is not None:
        milliseconds = {name: 1000 * rounds.median(name) for name in rounds.seconds}
        found = {"device": device_name(device), "spec": given.spec, "sets": sets, "ms": milliseconds}
        given.json.write_text(json.dumps({**found, "ratios": [ratio.to_dict() for ratio in ratios]}, indent=2) + "\n")
    return int(any(ratio.verdict == "MISSED" for ratio in ratios))


def ratios_of(
    program: Program, code: PublishedCode, ours: Ours, images: ImageSet, count: int, *, is_cpu: bool
) -> tuple[Rounds, list[Ratio]]:
    """Time all sides in turn: ours, and the published code with its optimizer and with torch's fused one, twice."""
    device, prepared = ours.processes.device, ours.preparation
    weights = {name: tensor.detach().clone() for name, tensor in ours.state.model.named_parameters()}

    def published(*, fused: bool) -> Callable[[], float]:
        step = code.training_step(code.model(program, weights).to(device), program, prepared, fused=fused)
        return lambda: step(batch(images).to(device))

    evaluation_step = code.evaluation_step(code.model(program, weights).to(device).requires_grad_(False), prepared)

    def evaluate() -> float:
        return sum(evaluation_step(batch(images).to(device)) for _ in range(EVALUATED_BATCHES)) / EVALUATED_BATCHES

    sides: Mapping[str, Callable[[], float]] = {
        "ours": ours.step,
        "published": published(fused=False),
        "published, fused AdamW": published(fused=True),
        "published, fused AdamW, again": published(fused=True),
        "our evaluation": ours.evaluation,
        "published evaluation": evaluate,
    }
    rounds = measure(sides, count, clock_of(device))

    # The floors are those of a CPU, and of the sizes that they were set for.
    is_floor = is_cpu and program.bridge.head.channels == 64 and ours.training.batch_size == 4
    is_shared = any(row.weight_groups < row.blocks for row in program.cost.rows)
    of_steps = (SHARED, SHARED) if is_shared else (UNCHANGED, FUSED)
    floors = (*of_steps, EVALUATION) if is_floor else (None, None, None)
    return rounds, [
        rounds.ratio("published with itself", "published, fused AdamW, again", "published, fused AdamW"),
        rounds.ratio("step, published unchanged", "published", "ours", floors[0]),
        rounds.ratio("step, published with fused AdamW", "published, fused AdamW", "ours", floors[1]),
        rounds.ratio("evaluation", "published evaluation", "our evaluation", floors[2]),
    ]


def disagreement(program: Program, code: PublishedCode, ours: Ours, images: ImageSet) -> float:
    """The largest relative difference of loss and gradients, in float64 with one set of weights, images and noise."""
    device = ours.processes.device
    model = program.module().double().to(device)
    model.load_state_dict({name: value.double() for name, value in ours.state.model.state_dict().items()})
    theirs = code.model(program, dict(model.named_parameters())).to(device)
    x, target = (part.double().to(device) for part in inputs(batch(images), ours.preparation))
    noise = StepNoise(0, 0, range(len(x)), device, torch.float64).normals(model.plan.latent_shapes)

    loss = model(x, target, noise).loss_nats_per_dim
    loss.backward()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of the zeros with which the published code pads
    try:
        with code.given_noise(noise):
            expected: Tensor = theirs(x, target)["elbo"]
        expected.backward()  # type: ignore[no-untyped-call]  # torch's
    finally:
        torch.set_default_dtype(before)

    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    names = {ours: names[0] for ours, names in published_names(program.bridge).items()}
    differences = [abs(float((loss / expected).detach()) - 1)]
    for name, parameter in model.named_parameters():
        other = gradients[names[name]]
        if parameter.grad is not None and other is not None:
            differences.append(float((parameter.grad - other).norm() / other.norm().clamp(min=1e-12)))
    return max(differences)


def image_set(program: Program, path: Path | None) -> ImageSet:
    """The images of a batch, from a file or random, as a split of a dataset."""
    size, count = program.bridge.image_resolution, program.training().batch_size
    if path is None:
        draw = np.random.default_rng(0)
        pixels = draw.integers(0, 256, (count, size, size, program.bridge.image_channels), dtype=np.uint8)
    else:
        pixels = np.load(path, mmap_mode="r")[:count]
    return ImageSet("random", "train", 256, pixels.shape[1:], ArrayImages(pixels), np.arange(len(pixels)))


def batch(images: ImageSet) -> Tensor:
    """All images, uint8 [B, H, W, C]."""
    return torch.from_numpy(images.batch(range(len(images))))


def device_name(device: torch.device) -> str:
    """What the device is, in a table."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


if __name__ == "__main__":
    sys.exit(main())
