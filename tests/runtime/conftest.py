from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl import Program
from hvaedsl.cli.main import run
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.distributed import Processes

GREY = """hvae 1
data {{ dataset = npy path = "{path}" channels = 1 resolution = 8 levels = 17 validation = 10 }}
model {{ width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r2, 8m4, 8x1 }}
train {{ steps = 12 batch_size = 4 learning_rate = 1e-3 lr_warmup_steps = 3 eval_every = 6 save_every = 4 seed = 3 }}
sample {{ count = 5 }}
"""
# What stands at 4x4 in the encoder is read by no block of the decoder: its parameters get no gradient.
BINARY = {
    "model.likelihood": "bernoulli",
    "data.binarize": "dynamic",
    "model.encoder": "8x1, 8d2, 4x1",
    "model.decoder": "8x2",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_power_cuts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are not brought to the disk, which takes as long as the training of a small run; tests of disks do it."""
    if "disk" not in request.path.parts and "faults" not in request.path.parts:
        monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[object, str, str]]:
    """A command in this process: its exit code (None for 0), and what it printed on stdout and stderr."""

    def call(*arguments: str | Path) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hvaedsl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        return ended.value.code, *capsys.readouterr()

    return call


def write_images(folder: Path) -> Path:
    """30 training, 10 validation and 11 test images of 8x8 pixels in 17 levels; 11 so that a batch comes out short."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("validation", 10), ("test", 11)):
        np.save(folder / f"{split}.npy", rng.integers(0, 17, (count, 8, 8, 1), dtype=np.uint8))
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of them."""
    return write_images(tmp_path / "images")


@pytest.fixture(scope="module")
def module_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program of `spec_path`, the same in every test of a module."""
    path = tmp_path_factory.mktemp("program") / "small.hvae"
    path.write_text(GREY.format(path=write_images(path.parent / "images")), encoding="utf-8")
    return hvaedsl.load(path)


@pytest.fixture
def spec_path(tmp_path: Path, images: Path) -> Path:
    path = tmp_path / "small.hvae"
    path.write_text(GREY.format(path=images), encoding="utf-8")
    return path


@pytest.fixture
def compiled(spec_path: Path) -> Callable[..., Program]:
    def compile_with(sets: dict[str, object] | None = None) -> Program:
        return hvaedsl.load(spec_path, sets=sets)

    return compile_with


@pytest.fixture
def binary() -> dict[str, object]:
    return dict(BINARY)


@pytest.fixture
def alone() -> Processes:
    return Processes(0, 1, torch.device("cpu"))


@pytest.fixture
def curve() -> Callable[[Path], list[dict[str, Any]]]:
    """The metrics of a run without the times."""

    def read(folder: Path) -> list[dict[str, Any]]:
        lines = read_metrics(folder / "metrics.jsonl")
        return [{key: value for key, value in line.items() if key != "wall_seconds"} for line in lines]

    return read


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """While entered, the system refuses files of more bytes, of this process and of those that it starts."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
