"""CPU time of `hvaedsl lint`: one spec, relative to importing the libraries that it needs, and a thousand specs.

    python benchmarks/lint.py            # a table; exit code 1 if a bound is exceeded
    python benchmarks/lint.py --json

Times are user and system time of child processes. The measured commands are interleaved, so that other load affects all
of them, and medians are compared. Bytecode and the lint cache are in a temporary folder: no files of the user are read
or written, and every process has its bytecode, as after an installation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPEC = "specs/cifar_ws.hvae"
SPECS = 1_000

# Bounds. Ratios are CPU times relative to REFERENCE; in the first run a spec is compiled.
REFERENCE = "import lark, pydantic, typer, rich"
UNCHANGED_RATIO = 2.0
FIRST_RATIO = 2.0
COLD_CPU_S = 15.0
UNCHANGED_CPU_S = 2.0

LINT = "from hvaedsl.cli.main import run; run()"
EMPTY_PROGRAM = """
import typer
app = typer.Typer(add_completion=False)
@app.command()
def one(word: str) -> None: ...
@app.command()
def two(word: str) -> None: ...
app()
"""


@dataclass(frozen=True)
class Figure:
    """A measured figure and its upper bound; None if it has none."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return self.bound is None or self.value <= self.bound


def cpu_seconds(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Run this Python and return its user and system time. Raises `RuntimeError` if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise RuntimeError(f"{' '.join(arguments)} exited with code {done.returncode}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the measured processes: this checkout, with bytecode and cache in `folder`."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    paths = [str(ROOT), str(ROOT / "runtime"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "HVAEDSL_CACHE": str(folder / "cache"),
    }


def one_spec(folder: Path, rounds: int) -> list[Figure]:
    """Measure one spec relative to the reference; the empty typer program is the share of the argument parser."""
    kept = environment(folder)
    off = kept | {"HVAEDSL_CACHE": "off"}
    runs = {
        "reference": (["-c", REFERENCE], kept),
        "empty typer program": (["-c", EMPTY_PROGRAM, "one", "word"], kept),
        "first": (["-c", LINT, "lint", SPEC], off),
        "unchanged": (["-c", LINT, "lint", SPEC], kept),
    }
    # An unmeasured run of each writes bytecode and cache.
    for arguments, where in runs.values():
        cpu_seconds(arguments, where)

    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (arguments, where) in runs.items():
            times[name].append(cpu_seconds(arguments, where))

    medians = {name: statistics.median(found) for name, found in times.items()}
    bounds = {"first": FIRST_RATIO, "unchanged": UNCHANGED_RATIO}
    return [
        Figure(f"{SPEC}: reference", medians["reference"], "s"),
        *(
            Figure(f"{SPEC}: {name} / reference", medians[name] / medians["reference"], "", bounds.get(name))
            for name in list(runs)[1:]
        ),
    ]


def many_specs(folder: Path, count: int = SPECS) -> list[Figure]:
    """Measure many different specs in one process: with an empty cache, and again unchanged."""
    specs = folder / "specs"
    write_variants(specs, count)
    arguments, where = ["-c", LINT, "lint", str(specs), "--format", "json"], environment(folder)
    return [
        Figure(f"{count:,} specs: first", cpu_seconds(arguments, where), "s", COLD_CPU_S),
        Figure(f"{count:,} specs: unchanged", cpu_seconds(arguments, where), "s", UNCHANGED_CPU_S),
    ]


def write_variants(folder: Path, count: int) -> None:
    """Write copies of the shipped specs, each with another split seed; their bases are the shipped specs."""
    shipped = sorted((ROOT / "specs").glob("*.hvae"))
    folder.mkdir(parents=True)
    for index in range(count):
        spec = shipped[index % len(shipped)]
        text = spec.read_text(encoding="utf-8")
        changed = text.replace("data {", f"data {{\n  split_seed = {index}\n", 1)
        if changed == text:
            changed = f"{text}\ndata {{\n  split_seed = {index}\n}}\n"
        (folder / f"{spec.stem}_{index:04}.hvae").write_text(changed, encoding="utf-8")


def table(figures: Sequence[Figure]) -> str:
    """Return a line per figure, with its bound."""
    width = max(len(item.name) for item in figures)
    lines = []
    for item in figures:
        bound = "" if item.bound is None else f"  at most {item.bound:g}{'' if item.holds else '  EXCEEDED'}"
        lines.append(f"{item.name:<{width}}  {item.value:6.2f} {item.unit:<1}{bound}".rstrip())
    return "\n".join(lines)


def main() -> int:
    """Measure and print; return exit code 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(description="CPU time of hvaedsl lint.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="runs of each process [default: 15]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = [*one_spec(Path(name), max(1, options.rounds)), *many_specs(Path(name))]
    if options.json:
        print(json.dumps([{**asdict(item), "holds": item.holds} for item in figures], indent=2))
    else:
        print(table(figures))
    return 0 if all(item.holds for item in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
