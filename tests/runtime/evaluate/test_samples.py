"""`hvaedsl sample` as data: the same images in every form, for every count, in bounded memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvaedsl import Program
from hvaedsl_runtime.data.images import Pixels
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.soak import soak

Command = Callable[..., tuple[object, str, str]]
COUNT = 37
MEASURED = """
import resource, sys
from hvaedsl.cli.main import run
try:
    run()
except SystemExit as ended:
    assert not ended.code, ended.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, module_program: Program) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    train(module_program, RunSettings(out=out, device="cpu", threads=1))
    return out


def drawn(run: Path, command: Command, out: Path | str, *options: str) -> Path:
    code, said, err = command("sample", run, "--device", "cpu", "--out", out, "--force", *options)
    assert code == 0, err
    assert said == f"written: {Path(out)}\n"
    return Path(out)


def arr_0(path: Path) -> Pixels:
    with np.load(path) as archive:
        found: Pixels = archive["arr_0"]
    return found


def test_every_form_has_the_images_of_the_run(run: Path, tmp_path: Path, command: Command) -> None:
    options = ("--count", str(COUNT), "--seed", "3", "--weights", "raw")
    expected = FinishedRun.open(run, "cpu").sample("raw", COUNT, 1.0, 3).numpy()
    np.testing.assert_array_equal(arr_0(drawn(run, command, tmp_path / "x.npz", *options)), expected)
    np.testing.assert_array_equal(np.load(drawn(run, command, tmp_path / "x.npy", *options)), expected)
    files = sorted(drawn(run, command, f"{tmp_path}/x/", *options).iterdir())
    shades = np.stack([np.asarray(Image.open(file)) for file in files])[..., None]
    np.testing.assert_array_equal(shades, (expected / 16 * 255 + 0.5).astype(np.uint8))

    # The picture has the same images: seven in a row, enlarged, with gaps of two pixels.
    picture = np.asarray(Image.open(drawn(run, command, tmp_path / "x.png", *options)))[..., :1]
    factor = -(-512 // (7 * 8))
    for index, image in enumerate(shades):
        top, left = (2 + place * (8 * factor + 2) for place in divmod(index, 7))
        cell = picture[top : top + 8 * factor, left : left + 8 * factor]
        np.testing.assert_array_equal(cell[::factor, ::factor], image)


def test_the_same_command_gives_the_same_bytes_and_another_count_the_same_images(
    run: Path, tmp_path: Path, command: Command
) -> None:
    first, again = (drawn(run, command, tmp_path / name, "--count", str(COUNT)) for name in ("a.npz", "b.npz"))
    assert first.read_bytes() == again.read_bytes()
    images = arr_0(first)
    for count in (1, 16, 20):
        fewer = arr_0(drawn(run, command, tmp_path / "c.npz", "--count", str(count)))
        np.testing.assert_array_equal(fewer, images[:count])


def test_a_temperature_by_resolution_is_that_of_a_spec(run: Path, tmp_path: Path, command: Command) -> None:
    finished = FinishedRun.open(run, "cpu")
    for text, temperature in (
        ("{8: 0.5, other: 2}", {8: 0.5, 4: 2.0}),
        ("{ 4: 14/7 }", {4: 2.0}),
        ("{other: 1.5}", {8: 1.5, 4: 1.5}),
        ("0.5", 0.5),
    ):
        path = drawn(run, command, tmp_path / "x.npy", "--count", "5", "--temperature", text)
        expected = finished.sample("ema", 5, temperature, 0).numpy()
        np.testing.assert_array_equal(np.load(path), expected)
    code, said, err = command("sample", run, "--count", "2", "--temperature", "{8: 0.5, other: 1}")
    assert code == 0, err
    assert said.endswith("count-2-temperature-8=0.5,4=1-seed-0.png\n")


@pytest.mark.parametrize(
    ("text", "code", "words", "way_out"),
    [
        ("{16: 1}", 2, "is {16: 1}; the decoder draws no latent at resolution 16", "help: it draws one at 8 and 4"),
        ("{16: 1, 2: 1}", 2, "the decoder draws no latent at resolutions 16 and 2", "it draws one at 8 and 4"),
        ("{8: 0}", 1, "`sample.temperature` is 0; it must be a number above 0", "--temperature:1:5"),
        ("{8: 1, 8: 2}", 1, "duplicate resolution `8`", "--temperature:1:8"),
        ("{8 0.7}", 1, "error[", "--temperature:1:4"),
        ("warm", 1, "`sample.temperature` must be a number above 0", "--temperature:1:1"),
        ("-1", 2, "--temperature is -1; it must be a positive, finite number", ""),
        ("nan", 2, "--temperature is nan", ""),
    ],
)
def test_a_temperature_that_is_none_is_one_message(
    run: Path, tmp_path: Path, command: Command, text: str, code: int, words: str, way_out: str
) -> None:
    for options in (("sample", run, "--out", tmp_path / "x.npz"), ("export", run, "--to", "pt2")):
        found, _, err = command(*options, "--temperature", text)
        assert found == code, err
        assert words in err
        assert way_out in err
        assert "Traceback" not in err
    assert not (tmp_path / "x.npz").exists()


def test_an_export_takes_a_temperature_by_resolution(run: Path, tmp_path: Path, command: Command) -> None:
    options = ("--to", "pt2", "--out", tmp_path / "x.pt2", "--temperature", "{8: 0.5, other: 1}")
    code, _, err = command("export", run, *options)
    assert code == 0, err
    texts = {"hvaedsl.json": ""}
    torch.export.load(tmp_path / "x.pt2", extra_files=texts)
    assert json.loads(texts["hvaedsl.json"])["temperature"] == {"8": 0.5, "4": 1.0}


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x/"])
def test_a_killed_command_leaves_nothing_under_the_name(run: Path, tmp_path: Path, command: Command, name: str) -> None:
    options = ("sample", str(run), "--device", "cpu", "--out", f"{tmp_path}/{name}")
    code = "from hvaedsl.cli.main import run; run()"
    process = subprocess.Popen([sys.executable, "-c", code, *options, "--count", "1000000"])
    until = time.monotonic() + 120
    while not any(path.name.startswith(".x.partial") for path in tmp_path.iterdir()):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    path = tmp_path / Path(name)
    assert not path.exists()
    assert command(*options, "--count", "3")[0] == 0
    assert path.exists()
    assert not any(path.name.startswith(".x") for path in tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss")
@pytest.mark.parametrize("count", [5_000, soak(50_000)])
def test_the_memory_does_not_grow_with_the_count(count: int, tmp_path: Path, run: Path) -> None:
    def peak(count: int) -> int:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                MEASURED,
                "sample",
                run,
                "--count",
                str(count),
                "--out",
                tmp_path / "x.npz",
                "--force",
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout.splitlines()[-1])

    few = peak(500)
    assert peak(count) < 1.1 * few
    assert arr_0(tmp_path / "x.npz").shape == (count, 8, 8, 1)
