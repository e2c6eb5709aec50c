"""Sets of four times the address space that is left to the process: arrays, a torch Dataset and parquet files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hvaedsl_runtime.data.npy import npy_header
from tests.runtime.data.parquet_tables import files_of, write_table
from tests.soak import soak

MIB = 2**20
LEFT = 128  # MiB of address space above what the process has after its imports
SIDE, CHANNELS = 128, 3
COUNT = 4 * LEFT * MIB // (SIDE * SIDE * CHANNELS)

READ = """
import resource, sys
import numpy as np
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import fingerprint, open_split, preparation
{imports}

dataset, path, side, channels, left = sys.argv[1], sys.argv[2] or None, *map(int, sys.argv[3:])
spec = DataSpec(
    dataset=dataset, path=path, channels=channels, resolution=side, levels=256, validation=10, binarize="none",
    fit="refuse",
)
has = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (has + left * 2**20,) * 2)

sets = {{split: open_split(spec, split) for split in ("train", "validation", "test")}}
preparation(spec, Likelihood(name="mixture_of_logistics", mixtures=10), sets["train"])
total = sum(len(images) for images in sets.values())
for images in sets.values():
    fingerprint(images)
    for batch in images.chunks():
        assert (batch[:, 0, 0, 0] == batch[:, -1, -1, -1]).all()
assert total * side * side * channels >= 3.9 * left * 2**20
try:
    np.ones((total, side, side, channels), dtype=np.uint8)
except MemoryError:
    print("all were read, and do not fit")
"""


def read(dataset: str, path: Path | None, folder: Path, imports: str = "") -> None:
    """Read all images of a dataset in a process whose address space is limited."""
    program = folder / "read.py"
    program.write_text(READ.format(imports=imports))
    command = (sys.executable, str(program), dataset, str(path or ""), *map(str, (SIDE, CHANNELS, LEFT)))
    # Addresses that no memory is behind: of glibc 64 MiB for each thread, of Arrow's own pool a gigabyte at a time.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=environment)
    assert (done.stdout, done.stderr) == ("all were read, and do not fit\n", "")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed after the test: pytest would keep the files of three runs."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        yield Path(name)


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="the figures of a process are Linux's"),
]


def test_an_array(folder: Path) -> None:
    with (folder / "all.npy").open("wb") as file:
        file.write(npy_header((COUNT, SIDE, SIDE, CHANNELS)))
        for index in range(COUNT):
            file.write(bytes([index % 256]) * (SIDE * SIDE * CHANNELS))
    read("npy", folder / "all.npy", folder)


@pytest.mark.soak
def test_a_torch_dataset_that_makes_its_items(folder: Path) -> None:
    (folder / "made.py").write_text(f"""
import torch
from torch.utils.data import Dataset

class Made(Dataset):
    def __init__(self, count):
        self.count = count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        return torch.full(({CHANNELS}, {SIDE}, {SIDE}), index % 256, dtype=torch.uint8)

def images(split, path):
    return Made({COUNT} if split == "train" else 20)
""")
    read("made:images", None, folder)


IMPORTS = "import filelock\nfrom hvaedsl_runtime.data import prepare\nfrom hvaedsl_runtime.data.hub import sources"


@pytest.mark.parametrize("form", ["files", soak("numbers")])
def test_a_parquet_file(folder: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """All of its rows are in one group, as pandas writes them."""
    pytest.importorskip("filelock")
    pa = pytest.importorskip("pyarrow")
    monkeypatch.setenv("HVAEDSL_DATA", str(folder / "prepared"))

    shades = np.arange(COUNT, dtype=np.uint8)
    if form == "files":
        images = files_of(shades[:256, None, None, None] * np.ones((1, SIDE, SIDE, CHANNELS), dtype=np.uint8))
        column = [images[shade] for shade in shades]
    else:
        of_one = SIDE * SIDE * CHANNELS
        shade = pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(np.arange(256, dtype=np.uint8), of_one)), of_one)
        column = pa.chunked_array([shade[: COUNT - start] for start in range(0, COUNT, 256)])
    path = write_table(folder / "train.parquet", {"image": column}, row_group_size=COUNT)
    read("hf:ada/made", path, folder, IMPORTS)
