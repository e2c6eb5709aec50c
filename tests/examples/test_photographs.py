"""The pages on scans, bands and torch datasets: their images are as they say, and their commands run, in small."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hvaedsl
from tests.soak import soak

ROOT = Path(__file__).parents[2]
EXAMPLES, DOCS = ROOT / "examples", ROOT / "docs"
PAGES = {"scans": "scans.md", "bands": "bands.md", "patches": "torch_dataset.md"}
# The script with fewer images.
SMALL = "import photographs; photographs.COUNTS.update(train=24, test=4); photographs.main()"

# Commands in one process, which imports torch once. It ends with the first command that fails.
ONE_AFTER_ANOTHER = """
import json, sys
from hvaedsl.cli.main import run

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["hvaedsl", *arguments]
    try:
        run()
    except SystemExit as stop:
        if stop.code:
            raise
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's module, and with what it writes for 24 training and 4 test images."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "photographs.py").write_bytes((EXAMPLES / "photographs.py").read_bytes())
    done = subprocess.run([sys.executable, "-c", SMALL], cwd=folder, check=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) >= 5
    return folder


def test_the_images_are_as_the_pages_say(folder: Path) -> None:
    for split, count in (("train", 24), ("test", 4)):
        scans = [np.asarray(Image.open(path)) for path in sorted((folder / "scans" / split).iterdir())]
        bands = np.load(folder / "bands" / f"{split}.npy")
        assert [scan.shape for scan in scans] == [(96, 160)] * count
        assert {scan.dtype for scan in scans} == {np.dtype(np.uint16)}
        assert (bands.dtype, bands.shape) == (np.uint16, (count, 32, 48, 4))

        # Twelve bits are in use, not eight bits that were scaled.
        for values in (np.stack(scans), bands):
            assert 256 * 12 < values.max() <= 4_080
            assert len(np.unique(values)) > 1_000
        assert np.corrcoef(bands[..., 0].ravel(), bands[..., 3].ravel())[0, 1] > 0.8


@pytest.mark.parametrize("name", PAGES)
def test_the_specs_on_the_pages_are_those_of_the_files(name: str) -> None:
    (written,) = re.findall(r"```hvae\n(.*?)```", (DOCS / PAGES[name]).read_text(encoding="utf-8"), re.DOTALL)
    spec = (EXAMPLES / f"{name}.hvae").read_text(encoding="utf-8")
    assert all(part.strip() in spec for part in written.split("\n\n"))


def test_the_dataset_on_the_page_is_that_of_the_file() -> None:
    (written,) = re.findall(r"```python\n(.*?)```", (DOCS / "torch_dataset.md").read_text(encoding="utf-8"), re.DOTALL)
    code = re.sub(r"  # noqa.*", "", (EXAMPLES / "photographs.py").read_text(encoding="utf-8"))
    assert written in code


def test_the_parameters_on_the_page_are_those_of_the_model() -> None:
    parameters = hvaedsl.load(EXAMPLES / "scans.hvae").cost.parameters
    assert f"{parameters:,} parameters" in (DOCS / "scans.md").read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("name", ["scans", soak("bands"), soak("patches")])
def test_the_commands_of_the_page_run(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    page = (DOCS / PAGES[name]).read_text(encoding="utf-8")
    commands = [line.split() for line in re.findall(r"^hvaedsl (.*)$", page, re.MULTILINE)]
    assert {words[0] for words in commands} >= {"train", "sample", "reconstruct"}
    small = ["--set", "train.steps=2", "--set", "data.validation=2", "--device", "cpu", "--threads", "1"]
    arguments = [
        [word.replace("examples/", f"{EXAMPLES}/") for word in words] + (small if words[0] == "train" else [])
        for words in commands
    ]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(arguments)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    array = {"scans": "scans.npy", "bands": "bands.npz", "patches": "patches.npz"}[name]
    loaded = np.load(tmp_path / array)
    samples = loaded if name == "scans" else loaded["arr_0"]
    shape = {"scans": (96, 160, 1), "bands": (32, 48, 4), "patches": (32, 32, 3)}[name]
    assert (samples.dtype, samples.shape) == (np.uint16, (64, *shape))
