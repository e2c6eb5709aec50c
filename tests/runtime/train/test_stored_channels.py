"""Runs on folders of TIFF files, floats and four channels of levels, from training to images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvaedsl
from hvaedsl_runtime.data import normal_baseline_nats_per_dim, open_split
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.data.test_tiff_file import tiff

Command = Callable[..., tuple[object, str, str]]
SPEC = """hvae 1
data {{ dataset = folder path = "{path}" channels = {channels} resolution = 8 {values} validation = 5 }}
model {{ width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r2, 8m4, 8x1 }}
train {{ steps = {steps} batch_size = 8 learning_rate = 3e-3 lr_warmup_steps = 3 eval_every = 75 save_every = 75 }}
sample {{ count = 4 }}
"""


def slopes(count: int, channels: int, dtype: str, seed: int) -> np.ndarray[Any, Any]:
    """Images [count, 10, 12, channels]; of floats, each channel is in its own unit."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(-1, 1, 12)
    drawn = rng.normal(size=(count, 1, 1, channels)) * grid[None, None, :, None]
    drawn = drawn + 0.1 * rng.normal(size=(count, 10, 12, channels))
    if dtype == "f4":
        return (drawn * 10.0 ** np.arange(channels) + 300).astype(dtype)
    top = np.iinfo(dtype).max
    return np.clip((drawn + 3) / 6 * top, 0, top).astype(dtype)


def written(folder: Path, channels: int, dtype: str, steps: int = 150) -> Path:
    """The spec of a run on files of slopes, 40 for training and 12 for testing."""
    options = {"photometric": "minisblack", "planarconfig": "contig"} if channels > 1 else {}
    for split, count, seed in (("train", 40, 0), ("test", 12, 1)):
        (folder / "images" / split).mkdir(parents=True)
        for index, image in enumerate(slopes(count, channels, dtype, seed)):
            (folder / "images" / split / f"{index:02}.tif").write_bytes(tiff(image, **options))
    values = {"f4": "values = real", "u2": "levels = 65536", "u1": ""}[dtype]
    path = folder / "files.hvae"
    text = SPEC.format(path=folder / "images", channels=channels, values=values, steps=steps)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("channels", "dtype"), [(1, "f4"), (4, "f4"), (4, "u2")], ids=lambda value: str(value))
def test_a_run_on_tiff_files(channels: int, dtype: str, tmp_path: Path, command: Command) -> None:
    torch.set_num_threads(1)
    spec, run = written(tmp_path, channels, dtype), tmp_path / "run"
    assert not command("train", spec, "--out", run, "--device", "cpu")[0]
    lines = read_metrics(run / "metrics.jsonl")
    losses = [line["loss_nats_per_dim"] for line in lines if line["split"] == "train"]
    assert np.mean(losses[-9:]) < np.mean(losses[:9]) - 0.3

    summary = json.loads((run / "summary.json").read_text())
    code, out, err = command("eval", run, "--split", "test", "--json")
    assert not code, err
    is_real = dtype == "f4"
    assert summary["unit"] == ("density_nats_per_dim" if is_real else "bits_per_dim")
    assert json.dumps(summary["test"]["ema"]["loss_nats_per_dim"])[:8] in out
    if is_real:
        data = hvaedsl.load(run / "spec.hvae").spec.data
        expected = normal_baseline_nats_per_dim(open_split(data, "train"), open_split(data, "test"))
        assert summary["normal_baseline_density_nats_per_dim"] == pytest.approx(expected)

    # Images are in the unit of the files, and those of a run's files can be given by name.
    kind = {"f4": np.float32, "u1": np.uint8, "u2": np.uint16}[dtype]
    for arguments in (
        ("sample", run, "--count", "3"),
        ("reconstruct", run, "--split", "test"),
        ("reconstruct", run, tmp_path / "images" / "test"),
    ):
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        code, _, err = command(*arguments, "--out", target)
        assert not code, err
        found = np.load(target)
        assert (found.dtype, found.shape[1:]) == (kind, (8, 8, channels))
    given = np.load(target)
    truth = slopes(12, channels, dtype, 1).astype(np.float64)[:, 1:9, 2:10]
    unit = truth.std(axis=(0, 1, 2))
    assert (abs(given - truth).mean(axis=(0, 1, 2)) < 1.5 * unit).all()
    code, _, err = command("reconstruct", run, "--split", "test", "--out", tmp_path / "pictures.png")
    assert not code, err


def test_the_loop_reads_floats_with_augmentation(tmp_path: Path) -> None:
    """The center of the stored images for statistics, a window of them for training."""
    path = written(tmp_path, 2, "f4", steps=3)
    text = path.read_text().replace("train {", "train { augment { random_crop = (9, 10)  horizontal_flip = true }")
    path.write_text(text, encoding="utf-8")
    train(hvaedsl.load(path), RunSettings(out=tmp_path / "run", device="cpu", threads=1))
    assert (tmp_path / "run" / "summary.json").is_file()


def test_a_file_that_is_not_finite_ends_the_run_with_its_name(tmp_path: Path, command: Command) -> None:
    path = written(tmp_path, 1, "f4")
    broken = slopes(1, 1, "f4", 5)[0]
    broken[4, 7] = np.nan
    (tmp_path / "images" / "train" / "07.tif").write_bytes(tiff(broken))
    code, _, err = command("train", path, "--out", tmp_path / "run", "--device", "cpu")
    assert code == 4
    assert "07.tif: the value at row 4, column 7, channel 0 is nan; it must be finite" in " ".join(err.split())
    assert "Traceback" not in err
