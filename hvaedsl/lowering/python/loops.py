"""Source lines for a list of statements; consecutive statements of one form become loops."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

WIDTH = 120
INDENT = "    "
NUMBERED = re.compile(r"(?P<stem>\w*_)(?P<index>0|[1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True)
class Statement:
    """`head(arguments)`, where {} stands for each of the names in turn; names are written in quotes."""

    head: str
    arguments: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """The comment above the statements that follow."""

    title: str


@dataclass(frozen=True)
class _Run:
    """A statement repeated `times` times in succession."""

    statement: Statement
    times: int

    def leads_to(self, following: _Run) -> tuple[int, ...] | None:
        """How far each name counts on to the following run, which is otherwise the same; None if it does not."""
        one, other = self.statement, following.statement
        if (self.times, one.head, one.arguments) != (following.times, other.head, other.arguments):
            return None
        found = [_distance(*names) for names in zip(one.names, other.names, strict=True)]
        distances = tuple(distance for distance in found if distance is not None)
        return distances if len(distances) == len(found) and any(distances) else None


def lines_of(items: Sequence[Statement | Section], indent: str) -> Iterator[str]:
    """Yield the source lines, each indented by `indent`."""
    for is_section, group in groupby(items, key=lambda item: isinstance(item, Section)):
        if is_section:
            yield from (line for item in group if isinstance(item, Section) for line in ("", f"{indent}# {item.title}"))
        else:
            yield from _loops([item for item in group if isinstance(item, Statement)], indent)


def call(head: str, arguments: Sequence[str], indent: str) -> Iterator[str]:
    """The lines of `head(arguments)`, broken as a formatter would."""
    joined = ", ".join(arguments)
    if len(line := f"{indent}{head}({joined})") <= WIDTH:
        yield line
        return
    inner = indent + INDENT
    yield f"{indent}{head}("
    if len(line := f"{inner}{joined}") <= WIDTH:
        yield line
    else:
        yield from (f"{inner}{argument}," for argument in arguments)
    yield f"{indent})"


def quoted(text: str) -> str:
    """A text as a literal, in double quotes if it is plain."""
    plain = text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}
    return f'"{text}"' if plain else repr(text)


def _loops(statements: list[Statement], indent: str) -> Iterator[str]:
    runs = [_Run(statement, len(list(group))) for statement, group in groupby(statements)]
    start = 0
    while start < len(runs):
        # The longest sequence of runs from here whose names count on alike.
        distances = runs[start].leads_to(runs[start + 1]) if start + 1 < len(runs) else None
        end = start + 1
        while distances is not None and end < len(runs) and runs[end - 1].leads_to(runs[end]) == distances:
            end += 1

        first, count = runs[start], end - start
        if distances is not None and (count > 2 or first.times > 1):
            numbers, names = _counted(first.statement.names, distances, count)
            yield f"{indent}for index in {numbers}:"
            yield from _repeated(first, names, indent + INDENT)
            start = end
        else:
            yield from _repeated(first, [quoted(name) for name in first.statement.names], indent)
            start += 1


def _repeated(run: _Run, names: Sequence[str], indent: str) -> Iterator[str]:
    if run.times > 1:
        yield f"{indent}for _ in range({run.times}):"
        indent += INDENT
    left = iter(names)
    head, *arguments = (_filled(part, left) for part in (run.statement.head, *run.statement.arguments))
    yield from call(head, arguments, indent)


def _filled(part: str, names: Iterator[str]) -> str:
    first, *rest = part.split("{}")
    return first + "".join(next(names) + text for text in rest)


def _distance(name: str, following: str) -> int | None:
    """1 or -1 if a name counts up or down to the following one, 0 if they are the same, else None."""
    if name == following:
        return 0
    one, other = NUMBERED.fullmatch(name), NUMBERED.fullmatch(following)
    if one is None or other is None or one["stem"] != other["stem"]:
        return None
    distance = int(other["index"]) - int(one["index"])
    return distance if abs(distance) == 1 else None


def _counted(names: Sequence[str], distances: Sequence[int], count: int) -> tuple[str, list[str]]:
    """The range of a loop over `index`, and the names by that index."""
    first = next((int(name.rpartition("_")[2]) for name, step in zip(names, distances, strict=True) if step == 1), 0)
    written = []
    for name, step in zip(names, distances, strict=True):
        stem, _, number = name.rpartition("_")
        if step == 0:
            written.append(quoted(name))
        elif step == 1:
            offset = int(number) - first
            more = f" {'+' if offset > 0 else '-'} {abs(offset)}" if offset else ""
            written.append(f'f"{stem}_{{index{more}}}"')
        else:
            written.append(f'f"{stem}_{{{int(number) + first} - index}}"')
    return (f"range({count})" if first == 0 else f"range({first}, {first + count})"), written
