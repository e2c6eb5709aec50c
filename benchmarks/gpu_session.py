"""All figures that need a GPU, in one command of under eight minutes: the most telling first.

Run as `python -m benchmarks.gpu_session --out FOLDER [--reference CHECKOUT] [--data FOLDER] [--seconds 460]`. CHECKOUT
is one of openai/vdvae, and the folder of the data has MNIST's files in MNIST/raw. Each figure is a line of
FOLDER/figures.jsonl as soon as it is there, so a session that is cut off loses nothing that it measured; a part that
fails is a line too, and the next one begins. It needs torch, this checkout, and what the base install needs; for a
machine without a network, `pip download` makes a folder of wheels elsewhere. `--small` takes tiny models and few
rounds, with which a CPU runs through the parts within the limit.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import torch
import torch.distributed
from torch import Tensor

import hvaedsl
from benchmarks.against_vdvae import AGREEMENT, Ours, device_name, disagreement, image_set, ratios_of
from benchmarks.against_vdvae import batch as taken
from benchmarks.interleaved import Clock, clock_of
from benchmarks.measurement import environment
from benchmarks.published_code import PublishedCode
from hvaedsl import Program
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.distributed import choose_device
from hvaedsl_runtime.model import set_matrix_precision
from hvaedsl_runtime.noise import image_noise

# The models of the targets and their batches; `cifar_ws_25m` has 268 stochastic layers.
MODELS = (("cifar", 16), ("cifar_ws_25m", 16), ("imagenet64", 4), ("cifar_ws", 16))
LARGE_BATCH = 256
SMALL = {"model.width": "16"}
SMALL_BATCH = 2
ROUNDS, SMALL_ROUNDS = 20, 2
# Seconds that a part needs at least, and those that are kept for evaluating the model of MNIST.
LEAST_SECONDS, LAST_EVALUATION = 15.0, 40.0
# Compiling takes a minute or two that nothing can end, so it begins only with more than this left.
COMPILING_SECONDS = 180.0
PAPER_NATS = 79.98  # MNIST, weight-shared: Falck, Williams et al. 2022, Table G.6


@dataclass
class Session:
    """A time limit, and the figures so far."""

    lines: TextIO
    device: torch.device
    seconds: float
    is_small: bool
    started: float = field(default_factory=time.monotonic)
    failed: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self.seconds - (time.monotonic() - self.started)

    @property
    def clock(self) -> Clock:
        """The clock of the device."""
        return clock_of(self.device)

    def write(self, what: str, **figures: Any) -> None:
        """Print a figure, and write it at once."""
        line = json.dumps({"what": what, **figures, "at_second": round(time.monotonic() - self.started, 1)})
        print(line, flush=True)
        self.lines.write(line + "\n")
        self.lines.flush()

    def attempt(
        self, what: str, part: Callable[..., object], *arguments: Any, least_seconds: float = LEAST_SECONDS
    ) -> None:
        """Run a part; if it fails, or if no time is left, that is its line."""
        if self.left < least_seconds:
            self.write(what, skipped="no time left")
            return
        try:
            part(*arguments)
        except Exception as error:  # whatever it is, the next parts have figures of their own
            place = traceback.extract_tb(error.__traceback__)[-1]
            found = f"{type(error).__name__}: {error}"[:400]
            self.write(what, failed=found, place=f"{Path(place.filename).name}:{place.lineno}")
            self.failed.append(what)
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def program(self, name: str, batch: int, **sets: str) -> Program:
        """A shipped spec at a batch. No update of it is skipped: such a step takes less time."""
        batch = SMALL_BATCH if self.is_small else batch
        small = SMALL if self.is_small else {}
        return hvaedsl.load(name, sets={**small, "train.batch_size": batch, "train.skip_above": "none", **sets})

    def milliseconds(self, function: Callable[[], object], least: int = 10) -> float:
        """The median time of a function after three calls, over `least` calls or as many as there is time for."""
        for _ in range(3):
            function()
        times: list[float] = []
        while not times or (len(times) < least and self.left > LEAST_SECONDS):
            times.append(1000 * self.clock(function))
        return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure part by part; 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu_session", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures")
    parser.add_argument("--reference", type=Path, help="a checkout of openai/vdvae")
    parser.add_argument("--data", type=Path, help="folder with MNIST/raw")
    parser.add_argument("--seconds", type=float, default=460, help="the limit (default: 460)")
    parser.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    parser.add_argument("--small", action="store_true", help="tiny models and few rounds")
    given = parser.parse_args(arguments)

    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "figures.jsonl").open("a", encoding="utf-8") as lines:
        session = Session(lines, choose_device(given.device), given.seconds, given.small)
        session.write("device", name=device_name(session.device), torch=torch.__version__, small=given.small)
        session.attempt("agreement", agreement, session)
        for name, batch in MODELS:
            session.attempt(f"{name}, steps", steps, session, name, batch, given.reference)
            session.attempt(f"{name}, memory", memory, session, name, batch, given.reference)
        session.attempt("large batch", large_batch, session)
        session.attempt("reduction", reduction, session)
        for precision in ("tf32", "bfloat16"):
            for name, batch in MODELS:
                what = f"{name}, compiled, {precision}"
                session.attempt(what, compiled, session, name, batch, precision, least_seconds=COMPILING_SECONDS)
        session.attempt("mnist", mnist, session, given.out, given.data)
    return int(bool(session.failed))


def agreement(session: Session) -> None:
    """Loss, gradients and prior of a model on the device, against those on a CPU in float64."""
    program = session.program("cifar_ws", 2, **{"model.width": "16" if session.is_small else "32"})
    torch.manual_seed(0)
    model = program.module().double()
    with torch.no_grad():
        for parameter in model.parameters():  # away from initialization, where many weights are 0
            parameter.add_(0.02 * torch.randn_like(parameter))
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 32, 32, 3), generator=draw).double() / 127.5 - 1
    cpu = torch.device("cpu")
    drawn = image_noise(0, "agreement", range(2), program.plan().latent_shapes, cpu, torch.float64)

    def values(device: torch.device, dtype: torch.dtype, precision: str) -> tuple[float, Tensor, Tensor]:
        moved, x = model.to(device, dtype), images.to(device, dtype)
        moved.zero_grad()

        def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
            return drawn(layer, shape).to(device, dtype)

        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = moved(x, x, noise).loss_nats_per_dim
            with torch.no_grad():
                prior = moved.decode_prior(2, noise=noise)
        loss.backward()
        gradient = torch.cat([p.grad.double().ravel().cpu() for p in moved.parameters() if p.grad is not None])
        return float(loss.detach()), gradient, prior.double().cpu()

    loss, gradient, prior = values(cpu, torch.float64, "float64")
    for precision, dtype in (
        ("float64", torch.float64),
        ("float32", torch.float32),
        ("tf32", torch.float32),
        ("bfloat16", torch.float32),
    ):
        set_matrix_precision("tf32" if precision == "tf32" else "float32")
        found = values(session.device, dtype, precision)
        session.write(
            "agreement",
            precision=precision,
            loss=abs(found[0] / loss - 1),
            gradient=float((found[1] - gradient).norm() / gradient.norm()),
            prior=float((found[2] - prior).norm() / prior.norm()),
        )


def steps(session: Session, name: str, batch: int, reference: Path | None) -> None:
    """A training step and an evaluation beside the published code, with TF32 on both sides; without it, alone."""
    program = session.program(name, batch)
    use_tf32()
    images = image_set(program, None)
    ours = Ours(program, images, session.device)
    sizes = {"model": name, "batch": ours.training.batch_size}
    if reference is None or program.spec.model.likelihood.name != "mixture_of_logistics":
        session.write("step", **sizes, ms=session.milliseconds(ours.step))
        return
    code = PublishedCode(reference)
    if (difference := disagreement(program, code, ours, images)) > AGREEMENT:
        raise RuntimeError(f"the two models disagree: relative difference {difference:.1e}")

    one = session.milliseconds(ours.step, least=3) / 1000
    rounds = SMALL_ROUNDS if session.is_small else max(3, min(ROUNDS, int(session.left / 8 / (12 * one))))
    found, ratios = ratios_of(program, code, ours, images, rounds, is_cpu=False)
    for side in found.seconds:
        session.write("time", **sizes, side=side, ms=1000 * found.median(side), rounds=rounds)
    for ratio in ratios:
        session.write("ratio", **sizes, of=ratio.name, value=ratio.value, low=ratio.low, high=ratio.high)


def compiled(session: Session, name: str, batch: int, precision: str) -> None:
    """A training step with compiled blocks, the time until the first one is done, and its peak of memory."""
    program = session.program(name, batch, **{"train.precision": precision, "train.compile": "blocks"})
    use_tf32()
    step = Ours(program, image_set(program, None), session.device).step
    started = time.monotonic()
    step()
    seconds = time.monotonic() - started
    session.write(
        "compiled",
        model=name,
        batch=program.training().batch_size,
        precision=precision,
        first_step_seconds=seconds,
        ms=session.milliseconds(step, least=5),
        peak_mib=peak_mib(session.device, step),
    )


def memory(session: Session, name: str, batch: int, reference: Path | None) -> None:
    """The peak of a training step of each side alone, in MiB, beside the count of weights and activations."""
    use_tf32()
    for precision in ("float32", "bfloat16"):
        program = session.program(name, batch, **{"train.precision": precision})
        count = program.training().batch_size
        images = image_set(program, None)
        step = Ours(program, images, session.device).step
        # Weights, gradients, two moments, averages: four bytes a parameter each.
        counted = 5 * 4 * program.cost.parameters + program.cost.activation_bytes(count, precision)
        session.write(
            "memory",
            model=name,
            batch=count,
            code="ours",
            precision=precision,
            ms=session.milliseconds(step, least=5),
            peak_mib=peak_mib(session.device, step),
            counted_mib=counted / 2**20,
        )
        del step
        gc.collect()
    if reference is None:
        return
    program = session.program(name, batch)
    images = image_set(program, None)
    ours = Ours(program, images, torch.device("cpu"))
    code = PublishedCode(reference)
    weights = {key: value.detach() for key, value in ours.state.model.named_parameters()}
    model = code.model(program, weights).to(session.device)
    theirs = code.training_step(model, program, ours.preparation, fused=True)
    pixels = taken(images).to(session.device)
    session.write(
        "memory",
        model=name,
        batch=count,
        code="published",
        precision="float32",
        peak_mib=peak_mib(session.device, lambda: theirs(pixels)),
    )


def peak_mib(device: torch.device, step: Callable[[], object]) -> float | None:
    """The most memory that tensors have in a step, with all that lives beside it; None on a CPU: not measured."""
    if device.type != "cuda":
        step()
        return None
    step()
    torch.cuda.reset_peak_memory_stats(device)
    step()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) / 2**20


def large_batch(session: Session) -> None:
    """Images a second at a large batch, and the share of the ceiling that matrix products reach on this device."""
    size = 8192 if session.device.type == "cuda" else 512
    for precision in ("tf32", "bfloat16"):
        set_matrix_precision("tf32")
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        matrix = torch.randn(size, size, device=session.device, dtype=dtype)
        product = session.milliseconds(partial(torch.matmul, matrix, matrix))
        ceiling = 2 * size**3 / product * 1000
        copied = session.milliseconds(matrix.clone)
        bandwidth = 2 * matrix.nbytes / copied * 1000
        session.write("ceiling", precision=precision, tflops=ceiling / 1e12, gigabytes_per_second=bandwidth / 1e9)

        program = session.program("cifar", LARGE_BATCH, **{"train.precision": precision})
        ours = Ours(program, image_set(program, None), session.device)
        batch = ours.training.batch_size
        milliseconds = session.milliseconds(ours.step, least=5)
        # A backward pass takes about twice the FLOPs of a forward pass.
        flops = 3 * batch * program.cost.flops_per_image / milliseconds * 1000
        session.write(
            "large batch",
            model="cifar",
            batch=batch,
            precision=precision,
            ms=milliseconds,
            images_per_second=1000 * batch / milliseconds,
            tflops=flops / 1e12,
            share_of_matrix_ceiling=flops / ceiling,
        )


def reduction(session: Session) -> None:
    """A sum of gradients over one process, with the library of the device."""
    backend = "nccl" if session.device.type == "cuda" else "gloo"
    store = torch.distributed.HashStore()  # type: ignore[attr-defined]  # its stub does not name it
    torch.distributed.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        values = torch.randn(session.program("cifar", 1).cost.parameters, device=session.device)
        before = values.clone()
        milliseconds = session.milliseconds(lambda: torch.distributed.all_reduce(values))
        if not torch.equal(values, before):
            raise RuntimeError(f"{backend} changed the values of a sum over one process")
        session.write("reduction", backend=backend, values=values.numel(), ms=milliseconds)
    finally:
        torch.distributed.destroy_process_group()


def mnist(session: Session, out: Path, data: Path | None) -> None:
    """The paper's weight-shared model of MNIST for the rest of the time: its bound in nats, beside the paper's.

    With `--small` it is the model of the digits, whose images come with the package.
    """
    if data is None and not session.is_small:
        session.write("mnist", skipped="no --data")
        return
    name = "digits" if session.is_small else "mnist_ws"
    with tempfile.TemporaryDirectory(dir=out) as folder:
        program = session.program(name, 70)
        ours = Ours(program, image_set(program, None), session.device)
        one = session.milliseconds(ours.step) / 1000
        del ours
        seconds = session.left - LAST_EVALUATION
        count = 4 if session.is_small else math.floor(seconds / one)
        if count < 1:
            session.write("mnist", skipped="no time left")
            return
        sets: dict[str, object] = {
            "train.steps": count,
            "train.eval_every": count,
            "train.batch_size": program.training().batch_size,
        }
        sets |= SMALL if session.is_small else {"data.path": data}
        command = ["-m", "hvaedsl", "train", name, "--out", f"{folder}/run", "--device", session.device.type]
        for key, value in sets.items():
            command += ["--set", f"{key}={value}"]
        done = subprocess.run(
            [sys.executable, *command],
            env=environment(Path(folder)),
            capture_output=True,
            text=True,
            timeout=max(60.0, session.left),
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"train ended with exit code {done.returncode}: {done.stderr[-300:]}")
        metrics = read_metrics(Path(folder) / "run/metrics.jsonl")
        nats = {line["weights"]: line["nats_per_image"] for line in metrics if line["split"] == "test"}
        paper = None if session.is_small else PAPER_NATS
        session.write("mnist", model=name, steps=count, test_nats=nats, paper_nats=paper)


def use_tf32() -> None:
    """TF32 and the search for the fastest convolutions, on both sides alike; the published code leaves TF32 on."""
    set_matrix_precision("tf32")
    torch.backends.cudnn.benchmark = True


if __name__ == "__main__":
    sys.exit(main())
