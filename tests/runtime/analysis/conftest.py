from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

SPEC = """hvae 1
data {{ dataset = npy path = "{path}" channels = 1 resolution = 8 levels = 17 validation = 10 }}
model {{ width = 8 latent = 8 encoder = 8x1, 8d2, 4x2, 4d4, 1x1 decoder = 1x1, 4m1, 4r2, 8m4, 8x1 }}
train {{ steps = 8 batch_size = 4 learning_rate = 1e-3 lr_warmup_steps = 3 eval_every = 4 save_every = 4 seed = 3 }}
sample {{ count = 4 }}
"""
DEPTH = 6
Trained = Callable[..., Path]


@pytest.fixture(scope="session")
def shared_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 training, 10 validation and 11 test images of 8x8 pixels in 17 levels."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("validation", 10), ("test", 11)):
        np.save(folder / f"{split}.npy", rng.integers(0, 17, (count, 8, 8, 1), dtype=np.uint8))
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, shared_images: Path) -> Trained:
    """A folder with a finished run of 8 steps, trained once per set of overrides; tests must not write into it."""
    made: dict[str, Path] = {}

    def trained_with(**sets: object) -> Path:
        key = repr(sorted(sets.items()))
        if key not in made:
            threads = torch.get_num_threads()
            folder = tmp_path_factory.mktemp("runs")
            spec = folder / "small.hvae"
            spec.write_text(SPEC.format(path=shared_images), encoding="utf-8")
            program = hvaedsl.load(spec, sets={name.replace("__", "."): value for name, value in sets.items()})
            with torch.enable_grad():
                train(program, RunSettings(out=folder / "run", device="cpu", threads=1))
            torch.set_num_threads(threads)
            made[key] = folder / "run"
        return made[key]

    return trained_with


@pytest.fixture
def subject_of(trained: Trained) -> Callable[..., Subject]:
    """A subject whose weights are moved away from the initial ones, so that all parts of the model have an effect."""

    def opened(images: int | None = None, seed: int = 0, batch_size: int | None = None, **sets: object) -> Subject:
        run = FinishedRun.open(trained(**sets), "cpu")
        subject = Subject(run, images=images, seed=seed, batch_size=batch_size)
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in subject.model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return subject

    return opened
