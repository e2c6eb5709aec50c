"""Time of `hvaedsl lint`: one spec, relative to an empty typer program, and a thousand different specs.

    python -m benchmarks.lint            # a table; exit code 1 if a bound is exceeded
    python -m benchmarks.lint --json

CPU time is user and system time of all processes of a command. The measured commands are interleaved, so that other
load affects all of them, and medians are compared. Bytecode and caches are in a temporary folder: no files of the user
are read or written, and every process has its bytecode, as after an installation. A cold run has no caches at all: it
also compiles the grammar.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measurement import (
    PROGRAM,
    ROOT,
    Figure,
    Seconds,
    cpu_seconds,
    environment,
    median,
    print_figures,
    seconds,
)

SPEC = "specs/cifar_ws.hvae"
SPECS = 1_000

# The unit of the thousand specs is REFERENCE; that of one spec is EMPTY_PROGRAM.
REFERENCE = "import lark, pydantic, typer, rich"
FIRST_RATIO = 1.2
UNCHANGED_RATIO = 1.0
COLD_ELAPSED_UNITS = 18.0
UNCHANGED_CPU_UNITS = 4.0

BASES = 10
FEW = 100  # specs of the unmeasured run; enough for several processes
PLACES = 5  # counts of a spec that differ
_LIST = re.compile(r"(encoder|decoder) *=[^=}]*\n")
_COUNT = re.compile(r"\b([0-9]+[xr])([0-9]+|\$n)")

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
    """Measure the CPU time of one spec."""
    kept = environment(folder, HVAEDSL_CACHE=str(folder / "cache"), XDG_CACHE_HOME=str(folder / "user"))
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

    empty = statistics.median(times["empty typer program"])
    return [
        median("reference", times["reference"], "s"),
        median("empty typer program", times["empty typer program"], "s"),
        median(f"{SPEC}: first / empty program", times["first"], "", FIRST_RATIO, per=empty),
        median(f"{SPEC}: unchanged / empty program", times["unchanged"], "", UNCHANGED_RATIO, per=empty),
    ]


def many_specs(folder: Path, rounds: int, count: int = SPECS) -> list[Figure]:
    """Measure many different specs: without any cache, and again unchanged."""
    specs, few = folder / "specs", folder / "few"
    write_variants(specs, count)
    write_variants(few, min(count, FEW))
    caches = folder / "many"
    where = environment(folder, HVAEDSL_CACHE=str(caches / "lint"), XDG_CACHE_HOME=str(caches / "user"))
    lint = ["-c", PROGRAM, "lint", "--format", "json"]
    names = ("reference", "first", "unchanged")
    times: dict[str, list[Seconds]] = {name: [] for name in names}
    seconds([*lint, str(few)], where, exit_codes=FOUND_OR_NOT)  # unmeasured; it writes bytecode
    for _ in range(rounds):
        shutil.rmtree(caches, ignore_errors=True)
        for name in names:
            command = ["-c", REFERENCE] if name == "reference" else [*lint, str(specs)]
            times[name].append(seconds(command, where, exit_codes=FOUND_OR_NOT))

    cpu = {name: [item.cpu for item in times[name]] for name in names}
    elapsed = {name: [item.elapsed for item in times[name]] for name in names}
    unit, unit_elapsed = statistics.median(cpu["reference"]), statistics.median(elapsed["reference"])
    figures = [median("reference, elapsed", elapsed["reference"], "s")]
    for name in names[1:]:
        cpu_bound, elapsed_bound = (None, COLD_ELAPSED_UNITS) if name == "first" else (UNCHANGED_CPU_UNITS, None)
        figures += [
            median(f"{count:,} specs: {name}, elapsed", elapsed[name], "s"),
            median(f"{count:,} specs: {name}, CPU", cpu[name], "s"),
            median(f"{count:,} specs: {name}, elapsed / reference", elapsed[name], "", elapsed_bound, unit_elapsed),
            median(f"{count:,} specs: {name}, CPU / reference", cpu[name], "", cpu_bound, unit),
        ]
    return figures


def write_variants(folder: Path, count: int = SPECS) -> None:
    """Write specs of which no two have the same bridge; their block lists differ.

    Ten are bases, a tenth extends one of these, a tenth names its lists, and the rest are copies of shipped specs.
    """
    folder.mkdir(parents=True)
    texts = {file.stem: file.read_text(encoding="utf-8") for file in sorted((ROOT / "specs").glob("*.hvae"))}
    shipped = {name: text for name, text in texts.items() if "encoder" in text}
    bases = [text for text in shipped.values() if len(_COUNT.findall(_decoder(text))) >= PLACES][:BASES]
    names, tenth = list(shipped), count // 10

    for index in range(count):
        if index < BASES:
            name, text = f"base_{index}", with_counts(bases[index], index)
        elif index < BASES + tenth:
            name, decoder = f"child_{index:04}", with_counts(_decoder(bases[index % BASES]), index)
            text = f'hvae 1\nextends "base_{index % BASES}.hvae"\n\nmodel {{\n  {decoder}}}\n'
        elif index < BASES + 2 * tenth:
            name, text = f"lists_{index:04}", named_lists(index)
        else:
            name = names[index % len(names)]
            name, text = f"{name}_{index:04}", with_counts(shipped[name], index)
        (folder / f"{name}.hvae").write_text(text, encoding="utf-8")


def with_counts(text: str, index: int) -> str:
    """Return a spec, or a line of one, with the digits of the index added to counts of its block lists."""
    lists = list(_LIST.finditer(text))
    places = [found for item in lists for found in _COUNT.finditer(text, *item.span())]
    step = max(1, len(places) // PLACES)
    for found, digit in reversed([*zip(places[::step], digits(index), strict=False)]):
        count = 3 if found[2] == "$n" else int(found[2])
        text = f"{text[: found.start()]}{found[1]}{count + digit}{text[found.end() :]}"
    return text


def named_lists(index: int) -> str:
    """Return a spec whose lists name parts of each other."""
    first, second, third, fourth, fifth = (digit + 1 for digit in digits(index))
    return f"""hvae 1
let n = {first}
let stage = (32x$n, 32r{second}, 32d2)
let tail = (32m16, 2*32r{third}, 32x{fourth})

data {{ dataset = cifar10 }}

model {{
  width   = 384
  latent  = 16
  encoder = $stage, 16x{fifth}, 16d2, 8x6, 8d2, 4x3, 4d4, 1x3
  decoder = 1x1, 4m1, 4x2, 8m4, 8x5, 16m8, 16x($n + 8), $tail
}}
"""


def digits(index: int) -> list[int]:
    """The digits of an index below 1,024, each from 0 to 3."""
    return [index >> shift & 3 for shift in range(0, 2 * PLACES, 2)]


def _decoder(text: str) -> str:
    return next((found[0] for found in _LIST.finditer(text) if found[1] == "decoder"), "")


def main() -> int:
    """Measure and print; return exit code 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(description="Time of hvaedsl lint.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="runs of one spec [default: 15]")
    parser.add_argument("--many-rounds", type=int, default=5, metavar="N", help="runs of many specs [default: 5]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = one_spec(Path(name), max(1, options.rounds)) + many_specs(Path(name), max(1, options.many_rounds))
    return print_figures(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
