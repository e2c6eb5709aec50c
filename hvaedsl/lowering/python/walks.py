"""The two walks over the hierarchy as statements: runs of alike steps become loops, one section a resolution."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

INDENT = "    "
NUMBERED = re.compile(r"(?P<stem>.*_)(?P<index>0|[1-9][0-9]*)$")


@dataclass(frozen=True)
class Application:
    """Apply a block, and what else is done with its output each time."""

    block: str
    statement: str  # with {} for the block's name in quotes
    follows: str = ""


@dataclass(frozen=True)
class Line:
    """A statement that belongs to no loop."""

    text: str


@dataclass(frozen=True)
class Section:
    """What stands under a comment of its own."""

    title: str


Step = Application | Line | Section


@dataclass(frozen=True)
class _Run:
    """One block applied some times in a row."""

    step: Application
    times: int

    @property
    def numbered(self) -> tuple[str, int] | None:
        match = NUMBERED.match(self.step.block)
        return (match["stem"], int(match["index"])) if match else None

    def extends(self, other: _Run) -> bool:
        """Whether this is the same with the next number."""
        mine, theirs = self.numbered, other.numbered
        alike = (self.times, self.step.statement, self.step.follows) == (
            other.times,
            other.step.statement,
            other.step.follows,
        )
        return alike and mine is not None and theirs is not None and mine == (theirs[0], theirs[1] + 1)


def statements(steps: Sequence[Step]) -> Iterator[str]:
    """The lines of a walk, without a common indentation."""
    for kind, items in groupby(steps, key=type):
        if kind is Application:
            yield from _loops([item for item in items if isinstance(item, Application)])
        elif kind is Section:
            yield from (line for item in items if isinstance(item, Section) for line in ("", f"# {item.title}"))
        else:
            yield from (item.text for item in items if isinstance(item, Line))


def numbered_names(names: Sequence[str]) -> Iterator[tuple[str, range | None]]:
    """Names in order, those that count up together: a stem with its numbers; a name alone has none."""
    runs: list[list[str]] = []
    for name in names:
        match, before = NUMBERED.match(name), NUMBERED.match(runs[-1][-1]) if runs else None
        if match and before and (match["stem"], int(match["index"])) == (before["stem"], int(before["index"]) + 1):
            runs[-1].append(name)
        else:
            runs.append([name])
    for run in runs:
        match = NUMBERED.match(run[0])
        if match is None or len(run) == 1:
            yield run[0], None
        else:
            yield match["stem"], range(int(match["index"]), int(match["index"]) + len(run))


def counting(numbers: range) -> str:
    """`range(...)` as it is written."""
    return f"range({numbers.stop})" if numbers.start == 0 else f"range({numbers.start}, {numbers.stop})"


def _loops(steps: list[Application]) -> Iterator[str]:
    runs = [_Run(step, len(list(group))) for step, group in groupby(steps)]
    while runs:
        length = 1
        while length < len(runs) and runs[length].extends(runs[length - 1]):
            length += 1
        first, numbered = runs[0], runs[0].numbered
        if numbered is not None and length > 1 and (length > 2 or first.times > 1 or first.step.follows):
            stem, start = numbered
            yield f"for index in {counting(range(start, start + length))}:"
            yield from (INDENT + line for line in _repeated(first, f'f"{stem}{{index}}"'))
        else:
            length = 1
            yield from _repeated(first, f'"{first.step.block}"')
        del runs[:length]


def _repeated(run: _Run, name: str) -> Iterator[str]:
    lines = [run.step.statement.format(name), *([run.step.follows] if run.step.follows else [])]
    if run.times == 1:
        yield from lines
    else:
        yield f"for _ in range({run.times}):"
        yield from (INDENT + line for line in lines)
