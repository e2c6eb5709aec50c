"""What a sweep varies, as it is asked for: constants and keys with several values each, and seeds."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.kinds import Choice, ChoiceOrCustom, Kind, Number, Optional, Whole
from hvaedsl.ir.spec import SECTIONS, keys

MAX_POINTS = 1000
LONGEST_VALUE = 24


class Axis(BaseModel):
    """A constant (`let`) or a key (`set`), and its values as they are written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["let", "set"]
    name: str
    values: tuple[str, ...]


class Coordinates(BaseModel):
    """One value of each axis, by the axis's name; `name` is the point's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lets: Mapping[str, str]
    sets: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        """Constants and keys together."""
        return {**self.lets, **self.sets}


def let_axes(lets: Mapping[str, str]) -> tuple[list[Axis], dict[str, str]]:
    """`--let n=1,2,3` as an axis, and constants of one value apart."""
    axes = [Axis(kind="let", name=name, values=_distinct(name, _split(value))) for name, value in lets.items()]
    fixed = {axis.name: axis.values[0] for axis in axes if len(axis.values) == 1}
    return [axis for axis in axes if axis.name not in fixed], fixed


def set_axes(given: Sequence[str]) -> list[Axis]:
    """`--vary KEY=VALUE`, repeated, as axes in the order of their keys' first mention.

    Where the key takes one number or one word, commas separate values; else a value may hold commas, as a block list
    does, and each `--vary` gives one. Raises UsageError for what is no `KEY=VALUE`, and a value that comes twice.
    """
    values: dict[str, list[str]] = {}
    for item in given:
        key, separator, value = (part.strip() for part in item.partition("="))
        if not separator or not key or not value:
            raise UsageError(f"--vary takes KEY=VALUE, not `{item}`")
        values.setdefault(key, []).extend(_split(value) if _is_plain(_kind(key)) else [value])
    return [Axis(kind="set", name=key, values=_distinct(key, several)) for key, several in values.items()]


def seeds_of(text: str) -> tuple[int, ...]:
    """`3` as the seeds 0, 1, 2; `0,3,7` as they are (`7,` is the seed 7 alone). Raises UsageError for others."""
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and not words[-1]:
        words.pop()
    if not all(re.fullmatch(r"\d{1,15}", word) for word in words):
        raise UsageError(f"--seeds takes a number of seeds, or seeds such as 0,3,7; not `{text}`")
    if "," not in text:
        count = int(text)
        if not 1 <= count <= MAX_POINTS:
            raise UsageError(f"--seeds {text}: from 1 to {MAX_POINTS:,} seeds")
        return tuple(range(count))
    return tuple(int(word) for word in _distinct("--seeds", words))


def grid(axes: Sequence[Axis], alone: str) -> list[Coordinates]:
    """Every combination of the axes' values, the last axis changing fastest; `alone` names the point without axes.

    Raises UsageError for an axis that comes twice and for more than MAX_POINTS points.
    """
    for name, count in Counter(axis.name for axis in axes).items():
        if count > 1:
            raise UsageError(f"{name} is varied twice")
    points = 1
    for axis in axes:
        points *= len(axis.values)
    if points > MAX_POINTS:
        raise UsageError(f"{points:,} points; a sweep has at most {MAX_POINTS:,}")
    names = short_names(axes)
    found = []
    for combination in product(*(axis.values for axis in axes)):
        here = list(zip(axes, combination, strict=True))
        found.append(
            Coordinates(
                name=",".join(f"{names[axis.name]}={file_word(value)}" for axis, value in here) or file_word(alone),
                lets={axis.name: value for axis, value in here if axis.kind == "let"},
                sets={axis.name: value for axis, value in here if axis.kind == "set"},
            )
        )
    return found


def short_names(axes: Sequence[Axis]) -> dict[str, str]:
    """`model.cell` as `cell`, unless another axis ends alike."""
    last = Counter(axis.name.rpartition(".")[2] for axis in axes)
    return {axis.name: word if last[word := axis.name.rpartition(".")[2]] == 1 else axis.name for axis in axes}


def file_word(value: str) -> str:
    """A value as part of a folder's name: as it is where every system takes it, else shortened, with a checksum."""
    word = re.sub(r"[^A-Za-z0-9_.+-]+", "-", value).strip("-.")[:LONGEST_VALUE]
    if word == value:
        return word
    return f"{word}-{hashlib.sha256(value.encode()).hexdigest()[:6]}".lstrip("-")


def _split(value: str) -> list[str]:
    words = [word.strip() for word in value.split(",")]
    if not all(words):
        raise UsageError(f"an empty value in `{value}`")
    return words


def _distinct(name: str, values: Sequence[str]) -> tuple[str, ...]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise UsageError(f"{name}: {twice[0]} is given twice")
    return tuple(values)


def _kind(dotted: str) -> Kind | None:
    """What a key takes; None for a key that the schema does not know, which compiling reports."""
    section, _, name = dotted.rpartition(".")
    key = keys(SECTIONS[section]).get(name) if section in SECTIONS else None
    return None if key is None else key.kind


def _is_plain(kind: Kind | None) -> bool:
    if isinstance(kind, Optional):
        return _is_plain(kind.of)
    return kind is None or isinstance(kind, Whole | Number | Choice | ChoiceOrCustom)
