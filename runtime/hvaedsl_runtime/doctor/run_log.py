"""The log of a run as far as it can be read: a damaged line is noted, and the others are used all the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hvaedsl_runtime.disk.checked_json import CRC32, checked_content
from hvaedsl_runtime.disk.metrics import EVENT, RESUMED, ROLLBACK, current_lines, is_line

Numbers = npt.NDArray[np.float64]
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Steps:
    """The training steps of a log that count, in order; a value that is missing or not finite is NaN.

    `loss` is in nats per dimension, `seconds` are those of training until then.
    """

    step: Numbers
    loss: Numbers
    norm: Numbers
    rate: Numbers
    seconds: Numbers
    applied: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """The number of logged steps."""
        return len(self.step)


@dataclass(frozen=True)
class RunLog:
    """The lines of a log: those that can be read, in the order of the file, and what is wrong with the others.

    `damaged` has the numbers of lines, from 1, with the reasons; `segments` the number of resumptions before a line.
    """

    path: Path
    exists: bool = False
    unreadable: str | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    damaged: list[tuple[int, str]] = field(default_factory=list)
    is_torn: bool = False

    @classmethod
    def read(cls, path: Path) -> RunLog:
        """Read a file; it raises nothing for any content."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            return cls(path, exists=True, unreadable=error.strerror or str(error))

        *texts, last = content.split(b"\n")
        log = cls(path, exists=True, is_torn=bool(last))
        for number, text in enumerate(texts, 1):
            try:
                log.lines.append(_line(text))
            except ValueError as error:
                log.damaged.append((number, str(error)))
        return log

    @cached_property
    def current(self) -> list[dict[str, Any]]:
        """The lines that count: without events, and without what the run wrote again after a resumption."""
        return current_lines(self.lines)

    @cached_property
    def steps(self) -> Steps:
        """The training steps that count."""
        lines = [line for line in self.current if line["split"] == "train"]

        def values(key: str) -> Numbers:
            return np.array([number(line.get(key)) for line in lines], dtype=np.float64)

        applied = np.array([line.get("applied") is not False for line in lines], dtype=np.bool_)
        loss, norm, rate = values("loss_nats_per_dim"), values("gradient_norm"), values("learning_rate")
        return Steps(values("step"), loss, norm, rate, values("wall_seconds"), applied)

    @property
    def last_step(self) -> int:
        """The last step that counts; 0 without any."""
        return max((line["step"] for line in self.current), default=0)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind in the order of the file, also of steps that the run repeated."""
        return [line for line in self.lines if line["split"] == EVENT and line.get("event") == kind]

    @property
    def resumptions(self) -> list[dict[str, Any]]:
        """The lines with which the run went on after it had ended: not those after a rollback, which a run survives."""
        before: list[Line] = [{}, *self.lines]
        return [
            line
            for previous, line in zip(before, self.lines, strict=False)
            if line["split"] == RESUMED and previous.get("event") != ROLLBACK
        ]

    def since_resumption(self) -> list[dict[str, Any]]:
        """The lines that the run has written since it was last resumed."""
        last = max((at for at, line in enumerate(self.lines) if line["split"] == RESUMED), default=-1)
        return self.lines[last + 1 :]

    def gaps(self, usual: int) -> list[tuple[int, int]]:
        """Consecutive logged steps between which steps are missing. A run logs every `usual` steps, if it is known.

        After a resumption under another length, the distance may be another one: each part is compared with its own.
        """
        segment_of, segment = {}, 0
        for line in self.lines:
            segment += line["split"] == RESUMED
            segment_of[line["step"], line["split"]] = segment
        parts: dict[int, list[int]] = {}
        for line in self.current:
            if line["split"] == "train":
                parts.setdefault(segment_of[line["step"], "train"], []).append(line["step"])

        distances = {part: _usual_distance(steps, usual) for part, steps in parts.items()}
        found: list[tuple[int, int]] = []
        before, allowed_before = 0, 0
        for part, steps in parts.items():
            allowed = max(distances[part], allowed_before)
            for step in steps:
                if step - before > allowed:
                    found.append((before, step))
                before, allowed = step, distances[part]
            allowed_before = distances[part]
        return found


def number(value: object) -> float:
    """A number of the log; NaN for anything else, as the null of a value that is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def numbers(value: object) -> list[float]:
    """A list of numbers; empty for anything else."""
    return [number(item) for item in value] if isinstance(value, list) else []


def _usual_distance(steps: Sequence[int], usual: int) -> int:
    """The distance of logged steps that is the most frequent one, or the usual one if that is larger."""
    counts = Counter(after - before for before, after in pairwise(steps))
    return max(usual, counts.most_common(1)[0][0] if counts else 1)


def _line(text: bytes) -> dict[str, Any]:
    """A line of a log. Raises ValueError with the reason if it is none."""
    line = checked_content(text, CRC32)
    if not is_line(line) or not isinstance(line.get("weights", ""), str):
        raise ValueError("it is not a line of a log")
    if not 0 <= line["step"] < 10**15 or (line["split"] not in ("train", EVENT, RESUMED) and "weights" not in line):
        raise ValueError("it is not a line of a log")
    return line
