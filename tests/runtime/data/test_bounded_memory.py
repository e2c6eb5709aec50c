"""Sets of four times the address space that is left to the process: arrays, a torch Dataset and parquet files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hvaedsl_runtime.data.npy import npy_header

MIB = 2**20
LEFT = 96  # MiB of address space above what the process has after its imports
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
    command = (sys.executable, program, dataset, str(path or ""), *map(str, (SIDE, CHANNELS, LEFT)))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert (done.stdout, done.stderr) == ("all were read, and do not fit\n", "")


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="the figures of a process are Linux's"),
]


def test_an_array(tmp_path: Path) -> None:
    with (tmp_path / "all.npy").open("wb") as file:
        file.write(npy_header((COUNT, SIDE, SIDE, CHANNELS)))
        for index in range(COUNT):
            file.write(bytes([index % 256]) * (SIDE * SIDE * CHANNELS))
    read("npy", tmp_path / "all.npy", tmp_path)


def test_a_torch_dataset_that_makes_its_items(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(f"""
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
    read("made:images", None, tmp_path)


@pytest.mark.parametrize("form", ["files", "numbers"])
def test_parquet_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("filelock")
    from PIL import Image

    from tests.runtime.data.parquet_tables import encoded

    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "prepared"))
    size = SIDE * SIDE * CHANNELS
    kind = pa.list_(pa.uint8(), size) if form == "numbers" else pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", kind)])
    # One group of rows, as pandas writes it, would not fit either.
    with pq.ParquetWriter(tmp_path / "train.parquet", schema, compression="zstd") as writer:
        def rows(start: int) -> "pa.Array":
            pixels = [np.full((SIDE, SIDE, CHANNELS), i % 256, np.uint8) for i in range(start, min(start + 64, COUNT))]
            if form == "numbers":
                return pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(pixels).ravel()), size)
            return pa.array([{"bytes": encoded(image), "path": None} for image in pixels], type=kind)

        tables = [pa.table({"image": rows(start)}, schema=schema) for start in range(0, COUNT, 64)]
        writer.write_table(pa.concat_tables(tables), row_group_size=COUNT)
    read("hf:ada/made", tmp_path / "train.parquet", tmp_path, "import pyarrow.parquet, filelock\nimport hvaedsl_runtime.data.prepare, hvaedsl_runtime.data.hub.sources")
