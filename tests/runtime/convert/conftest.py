from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SMALL = """hvae 1
data {{ dataset = npy path = "{path}" channels = 3 resolution = 8 }}
model {{ width = 8 latent = 2 encoder = 8x2, 8d2, 4x2 decoder = {decoder} likelihood = mixture_of_logistics(2) }}
train {{ steps = 4 batch_size = 4 learning_rate = 1e-3 lr_warmup_steps = 0 eval_every = 9 save_every = 9 }}
sample {{ count = 2 }}
"""


@pytest.fixture
def colors(tmp_path: Path) -> Path:
    """8 training and 6 test images of 8x8 pixels, as a spec's `npy`."""
    folder = tmp_path / "colors"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for split, count in (("train", 8), ("test", 6)):
        np.save(folder / f"{split}.npy", rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def small(tmp_path: Path, colors: Path) -> Path:
    path = tmp_path / "small.hvae"
    path.write_text(SMALL.format(path=colors, decoder="4x2, 8m4, 8x2"), encoding="utf-8")
    return path


@pytest.fixture
def shared(tmp_path: Path, colors: Path) -> Path:
    path = tmp_path / "shared.hvae"
    path.write_text(SMALL.format(path=colors, decoder="4x2, 8m4, 8r3"), encoding="utf-8")
    return path
