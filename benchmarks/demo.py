"""CPU time and result of `make demo` after the install: draw specs/cifar_ws.hvae, train specs/digits.hvae.

    python -m benchmarks.demo               # a table; exit code 1 if a bound is broken
    python -m benchmarks.demo --seed 1 --out runs/demo-1
    python -m benchmarks.demo --json

CPU time is the user and system time of the two commands, on one thread and without a GPU. Bytecode goes to an empty
temporary folder: like the first commands after an installation, both compile the Python modules that they import.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measurement import PROGRAM, ROOT, Figure, cpu_seconds, environment, print_figures

DRAW = ("compile", "specs/cifar_ws.hvae", "--render")
TRAIN = ("train", "specs/digits.hvae")

# The bounds. The result is that of the averaged weights on the test images; a KL is the mean over these images.
MOST_CPU_S = 150.0
MOST_BITS_PER_DIM = 1.824  # of the first shipped model, after 3,000 steps: docs/experiments/0001-digits-model.md
LEAST_DEPTH = 7
LEAST_KL_NATS = 0.05  # a layer below this counts as collapsed


def measured(folder: Path, run: Path, options: Sequence[str] = ()) -> list[Figure]:
    """Run both commands; the run folder of the training is `run`, `options` are added to its command."""
    clean = environment(folder, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    draw, train = ([part if i != 1 else str(ROOT / part) for i, part in enumerate(of)] for of in (DRAW, TRAIN))
    drawing = cpu_seconds(["-c", PROGRAM, *draw], clean, folder)
    training = cpu_seconds(["-c", PROGRAM, *train, "--out", str(run), *options], clean, folder)

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

    return print_figures(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
