"""What the benchmarks share: CPU time of child processes, figures with bounds, and how they are printed."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "from hvaedsl.cli.main import run; run()"


@dataclass(frozen=True)
class Figure:
    """A measured figure and its bound; one without a bound is shown only."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    side: Literal["at most", "at least"] = "at most"
    spread: tuple[float, float] | None = None  # the least and the largest measured value, of a median

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; a value that is NaN breaks every bound."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.side == "at most" else self.value >= self.bound


@dataclass(frozen=True)
class Seconds:
    """The time of a process and of those that it has waited for."""

    cpu: float  # user and system time
    elapsed: float


def cpu_seconds(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT, *, exit_codes: Collection[int] = (0,)
) -> float:
    """Run this Python in a folder and return its user and system time. Raises as `seconds` does."""
    return seconds(arguments, environment, folder, exit_codes=exit_codes).cpu


def seconds(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT, *, exit_codes: Collection[int] = (0,)
) -> Seconds:
    """Run this Python in a folder and return its time.

    Raises `RuntimeError` if it ends with another exit code, or with a traceback.
    """
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)

    if done.returncode not in exit_codes or "Traceback" in done.stderr:
        raise RuntimeError(f"{' '.join(arguments)} exited with code {done.returncode}: {done.stderr}")
    return Seconds(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, elapsed)


def median(name: str, values: Sequence[float], unit: str, bound: float | None = None, per: float = 1.0) -> Figure:
    """The median of measured values, each divided by `per`, and their spread."""
    scaled = [value / per for value in values]
    return Figure(name, statistics.median(scaled), unit, bound, spread=(min(scaled), max(scaled)))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of measured processes: this checkout, with bytecode in `folder`, and `more` variables."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    paths = [str(ROOT), str(ROOT / "runtime"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        **more,
    }


def table(figures: Sequence[Figure]) -> str:
    """Return a line per figure, with its bound."""
    width = max(len(item.name) for item in figures)
    lines = []
    for item in figures:
        spread = "" if item.spread is None else f"  {item.spread[0]:.3f} to {item.spread[1]:.3f}"
        bound = "" if item.bound is None else f"  {item.side} {item.bound:g}{'' if item.holds else '  BROKEN'}"
        lines.append(f"{item.name:<{width}}  {item.value:8.3f} {item.unit:<8}{spread}{bound}".rstrip())
    return "\n".join(lines)


def print_figures(figures: Sequence[Figure], *, as_json: bool) -> int:
    """Print the figures; return exit code 1 if a bound is broken."""
    if as_json:
        print(json.dumps([{**asdict(item), "holds": item.holds} for item in figures], indent=2))
    else:
        print(table(figures))
    return 0 if all(item.holds for item in figures) else 1
