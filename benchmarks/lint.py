"""CPU time of `hvaedsl lint`: one spec, relative to importing the libraries that it needs, and a thousand specs.

    python -m benchmarks.lint            # a table; exit code 1 if a bound is exceeded
    python -m benchmarks.lint --json

Times are user and system time of child processes. The measured commands are interleaved, so that other load affects all
of them, and medians are compared. Bytecode and the lint cache are in a temporary folder: no files of the user are read
or written, and every process has its bytecode, as after an installation.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measurement import PROGRAM, ROOT, Figure, cpu_seconds, environment, print_figures

SPEC = "specs/cifar_ws.hvae"
SPECS = 1_000

# Bounds. Ratios are CPU times relative to REFERENCE; in the first run a spec is compiled.
REFERENCE = "import lark, pydantic, typer, rich"
UNCHANGED_RATIO = 2.0
FIRST_RATIO = 2.0
COLD_CPU_S = 15.0
UNCHANGED_CPU_S = 2.0

FOUND_OR_NOT = (0, 1)  # exit codes of lint
EMPTY_PROGRAM = """
import typer
app = typer.Typer(add_completion=False)
@app.command()
def one(word: str) -> None: ...
@app.command()
def two(word: str) -> None: ...
app()
"""


def one_spec(folder: Path, rounds: int) -> list[Figure]:
    """Measure one spec relative to the reference; the empty typer program is the share of the argument parser."""
    kept = environment(folder, HVAEDSL_CACHE=str(folder / "cache"))
    off = kept | {"HVAEDSL_CACHE": "off"}
    runs = {
        "reference": (["-c", REFERENCE], kept),
        "empty typer program": (["-c", EMPTY_PROGRAM, "one", "word"], kept),
        "first": (["-c", PROGRAM, "lint", SPEC], off),
        "unchanged": (["-c", PROGRAM, "lint", SPEC], kept),
    }
    # An unmeasured run of each writes bytecode and cache.
    for arguments, where in runs.values():
        cpu_seconds(arguments, where, exit_codes=FOUND_OR_NOT)

    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (arguments, where) in runs.items():
            times[name].append(cpu_seconds(arguments, where, exit_codes=FOUND_OR_NOT))

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
    arguments, where = (
        ["-c", PROGRAM, "lint", str(specs), "--format", "json"],
        environment(folder, HVAEDSL_CACHE=str(folder / "cache")),
    )
    return [
        Figure(f"{count:,} specs: first", cpu_seconds(arguments, where, exit_codes=FOUND_OR_NOT), "s", COLD_CPU_S),
        Figure(
            f"{count:,} specs: unchanged", cpu_seconds(arguments, where, exit_codes=FOUND_OR_NOT), "s", UNCHANGED_CPU_S
        ),
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


def main() -> int:
    """Measure and print; return exit code 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(description="CPU time of hvaedsl lint.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="runs of each process [default: 15]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = [*one_spec(Path(name), max(1, options.rounds)), *many_specs(Path(name))]
    return print_figures(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
