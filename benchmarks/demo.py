"""CPU time and result of `make demo` after the install: draw specs/cifar_ws.hvae, train specs/digits.hvae.

    python benchmarks/demo.py               # a table; exit code 1 if a bound is broken
    python benchmarks/demo.py --seed 1 --out runs/demo-1
    python benchmarks/demo.py --json

CPU time is the user and system time of the two commands, on one thread and without a GPU. Bytecode goes to an empty
temporary folder: like the first commands after an installation, both compile the Python modules that they import.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "from hvaedsl.cli.main import run; run()"
DRAW = ("compile", "specs/cifar_ws.hvae", "--render")
TRAIN = ("train", "specs/digits.hvae")

# The bounds. The result is that of the averaged weights on the test images; a KL is the mean over these images.
MOST_CPU_S = 150.0
MOST_BITS_PER_DIM = 1.824  # of the first shipped model, after 3,000 steps: docs/experiments/0001-digits-model.md
LEAST_DEPTH = 7
LEAST_KL_NATS = 0.05  # a layer below this counts as collapsed


@dataclass(frozen=True)
class Figure:
    """A measured figure and its bound; one without a bound is shown only."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    side: Literal["at most", "at least"] = "at most"

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; a value that is NaN breaks every bound."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.side == "at most" else self.value >= self.bound


def cpu_seconds(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> float:
    """User and system time of one hvaedsl command in a folder. Raises `RuntimeError` if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def environment(folder: Path) -> dict[str, str]:
    """Environment of the measured commands: this checkout, one thread, no GPU, bytecode of their own."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    paths = [str(ROOT), str(ROOT / "runtime"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def measured(folder: Path, run: Path, options: Sequence[str] = ()) -> list[Figure]:
    """Run both commands; the run folder of the training is `run`, `options` are added to its command."""
    clean = environment(folder)
    draw, train = ([part if i != 1 else str(ROOT / part) for i, part in enumerate(of)] for of in (DRAW, TRAIN))
    drawing = cpu_seconds(draw, clean, folder)
    training = cpu_seconds([*train, "--out", str(run), *options], clean, folder)

    times = [
        Figure("draw cifar_ws", drawing, "s"),
        Figure("train digits", training, "s"),
        Figure("both: CPU time", drawing + training, "s", MOST_CPU_S),
    ]
    return times + result(json.loads((run / "summary.json").read_text(encoding="utf-8")))


def result(summary: Mapping[str, Any]) -> list[Figure]:
    """Test bound, depth and least KL of a layer, from the summary of a run."""
    test = summary["test"]["ema"]
    kls_nats = test["kl_nats"]
    return [
        Figure("test bound, averaged weights", test["bits_per_dim"], "bits/dim", MOST_BITS_PER_DIM),
        Figure("pixel histograms", summary["histogram_baseline_bits_per_dim"], "bits/dim"),
        Figure("stochastic layers", len(kls_nats), "", LEAST_DEPTH, "at least"),
        Figure("least KL of a layer", min(kls_nats), "nats", LEAST_KL_NATS, "at least"),
    ]


def table(figures: Sequence[Figure]) -> str:
    """One figure a line, with its bound."""
    width = max(len(item.name) for item in figures)
    lines = []
    for item in figures:
        bound = "" if item.bound is None else f"  {item.side} {item.bound:g}{'' if item.holds else '  BROKEN'}"
        lines.append(f"{item.name:<{width}}  {item.value:8.3f} {item.unit:<8}{bound}".rstrip())
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and report in the exit code whether every bound is kept."""
    parser = argparse.ArgumentParser(description="CPU time and result of `make demo` after the install.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the training [default: the spec's]")
    parser.add_argument("--out", type=Path, metavar="RUN", help="keep the run folder here [default: it is deleted]")
    options = parser.parse_args()
    more = [] if options.seed is None else ["--set", f"train.seed={options.seed}"]

    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run" if options.out is None else options.out.resolve()
        figures = measured(Path(name), run, more)

    if options.json:
        print(json.dumps([{**asdict(item), "holds": item.holds} for item in figures], indent=2))
    else:
        print(table(figures))
    return 0 if all(item.holds for item in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
