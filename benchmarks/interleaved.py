"""Ratios of times that are measured in turn, so that the load of the machine meets all sides alike."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

WARM_UPS = 3
RESAMPLES = 4_000
# Above this load, or with a wider interval, a ratio says nothing about a floor.
MOST_LOAD = 1.2
WIDEST = 0.06

# Runs a function and returns its seconds.
Clock = Callable[[Callable[[], object]], float]


@dataclass(frozen=True)
class Ratio:
    """How many times as long one side takes as the other: the median over rounds, and a 95 % interval of it."""

    name: str
    value: float
    low: float
    high: float
    floor: float | None = None
    load: float = 0.0  # the largest of the machine in these rounds

    @property
    def verdict(self) -> str:
        """Whether the lower end of the interval reaches the floor, if that can be said."""
        if self.floor is None:
            return ""
        if self.load > MOST_LOAD:
            return f"no verdict: load {self.load:.1f}"
        if self.high - self.low > WIDEST * self.value:
            return "no verdict: wide interval"
        return "met" if self.low >= self.floor else "MISSED"

    def __str__(self) -> str:
        floor = "" if self.floor is None else f"  at least {self.floor:g}  {self.verdict}"
        return f"{self.name:<48}{self.value:7.3f}  {self.low:.3f} to {self.high:.3f}{floor}"

    def to_dict(self) -> dict[str, Any]:
        """Every value by name, with the verdict."""
        return {**vars(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Rounds:
    """The seconds of every side in every round, and the largest load of the machine meanwhile."""

    seconds: Mapping[str, Sequence[float]]
    load: float

    def ratio(self, name: str, slower: str, faster: str, floor: float | None = None) -> Ratio:
        """How many times as long the side `slower` takes as the side `faster`, round by round."""
        pairs = zip(self.seconds[slower], self.seconds[faster], strict=True)
        ratios = np.array([one / other for one, other in pairs])
        drawn = np.random.default_rng(0).choice(ratios, (RESAMPLES, len(ratios)))
        low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
        return Ratio(name, float(np.median(ratios)), float(low), float(high), floor, self.load)

    def median(self, side: str) -> float:
        """The median seconds of a side."""
        return statistics.median(self.seconds[side])


def measure(sides: Mapping[str, Callable[[], object]], rounds: int, clock: Clock, *, seed: int = 0) -> Rounds:
    """Time every side once a round, in an order that is drawn for each, after some calls that do not count."""
    order, load, draw = list(sides), 0.0, random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-WARM_UPS, rounds):
        draw.shuffle(order)
        for name in order:
            taken = clock(sides[name])
            if number >= 0:
                seconds[name].append(taken)
        load = max(load, os.getloadavg()[0])
    return Rounds(seconds, load)


def clock_of(device: torch.device) -> Clock:
    """CPU time of this process, or the time between two events of a GPU."""
    return cpu_seconds if device.type == "cpu" else gpu_seconds


def cpu_seconds(function: Callable[[], object]) -> float:
    """User and system time of all threads of this process."""
    started = time.process_time()
    function()
    return time.process_time() - started


def gpu_seconds(function: Callable[[], object]) -> float:
    """The time until the GPU has done what the function asks of it."""
    start, end = torch.Event(device="cuda", enable_timing=True), torch.Event(device="cuda", enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    function()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000
