from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data import ImageSet, Split
from hvaedsl_runtime.data.images import ArrayImages, Pixels
from hvaedsl_runtime.data.windows import centered
from tests.runtime.data.augmented_images import COUNT, FUNCTIONS, SHAPE, STORED
from tests.runtime.data.parquet_tables import NAME

MakeSpec = Callable[..., DataSpec]
MakeImages = Callable[..., Pixels]
MakeSet = Callable[..., ImageSet]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no environment variable: nothing that lies on the machine is found."""
    cache = tmp_path / "cache"
    monkeypatch.delenv("HVAEDSL_DATA", raising=False)
    monkeypatch.setattr("hvaedsl_runtime.data.places.user_cache", lambda: cache / "hvaedsl")
    return cache / "hvaedsl" / "data"


@pytest.fixture
def make_spec() -> MakeSpec:
    def make(dataset: str = "digits", **fields: Any) -> DataSpec:
        defaults: dict[str, Any] = {"channels": 1, "resolution": 8, "levels": 256, "validation": 2, "binarize": "none"}
        defaults["fit"] = "crop_resize" if dataset == "folder" else "refuse"
        if dataset == "digits":
            defaults |= {"levels": 17, "validation": 180}
        return DataSpec(dataset=dataset, **(defaults | fields))

    return make


@pytest.fixture
def make_images() -> MakeImages:
    """Random images [count, resolution, resolution, channels]; the first pixel of image i is i."""

    def make(count: int, resolution: int = 8, channels: int = 1, levels: int = 256, seed: int = 0) -> Pixels:
        shape = (count, resolution, resolution, channels)
        images = np.random.default_rng(seed).integers(0, levels, shape, dtype=np.uint8)
        images[:, 0, 0, 0] = np.arange(count) % levels
        return images

    return make


@pytest.fixture
def make_set() -> MakeSet:
    def make(pixels: Pixels, *, levels: int = 256, split: Split = "train") -> ImageSet:
        height, width, channels = pixels.shape[1:]
        return ImageSet("npy", split, levels, (height, width, channels), ArrayImages(pixels), np.arange(len(pixels)))

    return make


@pytest.fixture
def stored_pixels() -> Pixels:
    """Random images of the stored shape, which is larger than that of the model."""
    return np.random.default_rng(0).integers(0, 256, (COUNT, *STORED), dtype=np.uint8)


@pytest.fixture
def centers(make_set: MakeSet, stored_pixels: Pixels) -> ImageSet:
    """Their centers, as training opens them."""
    return centered(make_set(stored_pixels), SHAPE)


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with functions of an image and a generator."""
    (tmp_path / "changes_of_images.py").write_text(FUNCTIONS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "changes_of_images", raising=False)
    return "changes_of_images"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The folder of the tables that `hub_spec` names."""
    return tmp_path / "tables"


@pytest.fixture
def hub_spec(tables: Path, make_spec: Callable[..., DataSpec]) -> Callable[..., DataSpec]:
    """A spec of the tables in the folder `tables`."""
    return lambda **fields: make_spec(NAME, **({"path": str(tables), "validation": 0} | fields))
