"""The entry points of the commands import torch and what they run, checked by module names rather than by time."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each takes longer to import than the rest of the runtime, and serves some datasets, options or commands only.
HEAVY = frozenset(
    (
        "matplotlib",
        "pandas",
        "scipy",
        "sklearn",
        "sympy",
        "torch._dynamo",
        "torch._inductor",
        "torch.distributed.elastic",
        "torch.distributed.launcher",
        "torchvision",
        "wandb",
    )
)


def imported_by(statements: str) -> set[str]:
    """The modules that statements import, in a fresh process, beside those that torch imports itself."""
    code = (
        "import sys\n"
        "import torch\n"
        "before = set(sys.modules)\n"
        f"{statements}\n"
        "print('\\n'.join(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


@pytest.mark.parametrize(
    "module",
    [
        "hvaedsl_runtime.data.published",
        "hvaedsl_runtime.evaluate.finished_run",
        "hvaedsl_runtime.export",
        "hvaedsl_runtime.launch.local",
    ],
)
def test_an_entry_point_imports_no_heavy_package(module: str) -> None:
    loaded = imported_by(f"import {module}")
    assert module in loaded
    assert not loaded & HEAVY


def test_pictures_are_saved_without_torchvision() -> None:
    loaded = imported_by(
        "import os\n"
        "from pathlib import Path\n"
        "from tempfile import TemporaryDirectory\n"
        "from hvaedsl_runtime.evaluate.pictures import save_grid\n"
        "with TemporaryDirectory() as folder:\n"
        "    save_grid(Path(folder) / 'grid.png', torch.zeros(4, 8, 8, 3), columns=2)\n"
        "    assert os.listdir(folder) == ['grid.png']"
    )
    assert not loaded & HEAVY
