"""The points of a sweep: parse --let, --vary and --seeds into axes, and combine them into a grid of points."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from math import prod
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.ir.kinds import (
    CallOf,
    Choice,
    ChoiceOrCustom,
    Either,
    Flag,
    FunctionName,
    Kind,
    Number,
    Optional,
    OrCall,
    Text,
    Whole,
)
from hvaedsl.ir.spec import SECTIONS, keys

MAX_POINTS = 1000
MAX_SLUG_LENGTH = 24
# A value that is meant as another name with its value.
_NAMED = re.compile(r"[A-Za-z_][\w.]*\s*=")


class Axis(BaseModel):
    """A constant (`let`) or a key (`set`), and its values as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["let", "set"]
    name: str
    values: tuple[str, ...]


class Coordinates(BaseModel):
    """A point: one value of each axis, by the name of the axis. `name` is the name of its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lets: Mapping[str, str]
    sets: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        """Constants and keys together."""
        return {**self.lets, **self.sets}


def let_axes(lets: Mapping[str, str]) -> tuple[list[Axis], dict[str, str]]:
    """Axes from `--let n=1,2,3`, and separately the constants with a single value.

    Raises UsageError for duplicates, and for other constants among the values.
    """
    for name, value in lets.items():
        _check_one_name("--let", name, value)
    axes = [Axis(kind="let", name=name, values=_distinct(name, _split(value))) for name, value in lets.items()]
    fixed = {axis.name: axis.values[0] for axis in axes if len(axis.values) == 1}
    return [axis for axis in axes if axis.name not in fixed], fixed


def set_axes(given: Sequence[str]) -> list[Axis]:
    """Axes from repeated `--vary KEY=VALUE`, in the order in which the keys first appear.

    If values of the key are one number, word or call, or a map of these, commas outside of brackets separate them.
    So do those between texts in quotes. Other values, such as block lists and texts without quotes, may contain such
    commas, and each `--vary` gives one. Raises UsageError if an
    item is not `KEY=VALUE`, for duplicates, and for other keys among the values.
    """
    values: dict[str, list[str]] = {}
    for item in given:
        key, separator, value = (part.strip() for part in item.partition("="))
        if not separator or not key or not value:
            raise UsageError(f"--vary is `{item}`; it must be KEY=VALUE, e.g. model.latent=8,16")
        _check_one_name("--vary", key, value)
        kind = _kind(key)
        are_several = _are_texts(value) if _is_text(kind) else _is_plain(kind)
        values.setdefault(key, []).extend(_split(value) if are_several else [value])

    return [Axis(kind="set", name=key, values=_distinct(key, listed)) for key, listed in values.items()]


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds 0, 1, 2 for `3`, and those of a list for `0,3,7` (`7,` is the list of seed 7). Raises UsageError."""
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and not words[-1]:
        words.pop()
    if not all(re.fullmatch(r"\d{1,15}", word) for word in words):
        raise UsageError(f"--seeds is `{text}`; it must be a number of seeds, e.g. 3, or a list of seeds, e.g. 0,3,7")

    if "," not in text:
        count = int(text)
        if not 1 <= count <= MAX_POINTS:
            raise UsageError(f"--seeds is {text}; the number of seeds must be from 1 to {MAX_POINTS:,}")
        return tuple(range(count))
    return tuple(int(word) for word in _distinct("--seeds", words))


def grid(axes: Sequence[Axis], alone: str) -> list[Coordinates]:
    """All combinations of the values of the axes; the last axis changes fastest.

    `alone` is the name of the only point if there are no axes. Raises UsageError for duplicate axes and for more than
    MAX_POINTS points.
    """
    for name, count in Counter(axis.name for axis in axes).items():
        if count > 1:
            raise UsageError(f"{name} is varied {count} times; give all of its values to one axis")

    points = prod(len(axis.values) for axis in axes)
    if points > MAX_POINTS:
        raise UsageError(f"the axes have {points:,} points; a sweep can have at most {MAX_POINTS:,}")

    names = short_names(axes)
    found = []
    for combination in product(*(axis.values for axis in axes)):
        assigned = list(zip(axes, combination, strict=True))
        found.append(
            Coordinates(
                name=",".join(f"{names[axis.name]}={slug(value)}" for axis, value in assigned) or slug(alone),
                lets={axis.name: value for axis, value in assigned if axis.kind == "let"},
                sets={axis.name: value for axis, value in assigned if axis.kind == "set"},
            )
        )
    return found


def short_names(axes: Sequence[Axis]) -> dict[str, str]:
    """Short names of axes: `cell` for `model.cell`, unless the name of another axis has the same end."""
    last = Counter(axis.name.rpartition(".")[2] for axis in axes)
    return {axis.name: word if last[word := axis.name.rpartition(".")[2]] == 1 else axis.name for axis in axes}


def slug(value: str) -> str:
    """A value as part of a file name: unchanged if all systems allow it, or else shortened and with a checksum."""
    word = re.sub(r"[^A-Za-z0-9_.+-]+", "-", value).strip("-.")[:MAX_SLUG_LENGTH]
    if word == value:
        return word
    checksum = hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()
    return f"{word}-{checksum[:6]}".lstrip("-")


def _split(value: str) -> list[str]:
    """The values between the commas that are outside of brackets and quotes. Raises UsageError for an empty one."""
    words = _parts(value)
    if not all(words):
        raise UsageError(f"`{value}` has an empty value; remove the extra comma")
    return words


def _parts(value: str) -> list[str]:
    """What is between the commas that are outside of brackets and quotes."""
    words, depth, quoted = [""], 0, False
    for letter in value:
        quoted ^= letter == '"'
        if not quoted:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0 and not quoted:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words]


def _check_one_name(flag: str, name: str, value: str) -> None:
    """Raise UsageError if one option gives values to several names, as in `--vary a=1,b=2`."""
    parts, begins = _parts(value), [0]
    begins += [at for at, part in enumerate(parts) if at and _NAMED.match(part)]
    if len(begins) > 1:
        each = [",".join(parts[start:end]) for start, end in pairwise([*begins, len(parts)])]
        options = " ".join(command_line(flag, given) for given in (f"{name}={each[0]}", *each[1:]))
        raise UsageError(f"{flag} is `{name}={value}`; it must have one name", help=f"write {options}")


def _distinct(name: str, values: Sequence[str]) -> tuple[str, ...]:
    duplicates = [value for value, count in Counter(values).items() if count > 1]
    if duplicates:
        raise UsageError(f"{name}: duplicate value {duplicates[0]}; remove it")
    return tuple(values)


def _kind(dotted: str) -> Kind | None:
    """The kind of values of a key; None for an unknown key, which is reported when the point is compiled."""
    section, _, name = dotted.rpartition(".")
    key = keys(SECTIONS[section]).get(name) if section in SECTIONS else None
    return None if key is None else key.kind


def _is_plain(kind: Kind | None) -> bool:
    """Whether a value is one number, word or call, or a map of these: without commas outside of brackets."""
    if isinstance(kind, Optional):
        return _is_plain(kind.of)
    if isinstance(kind, Either | OrCall):
        return _is_plain(kind.plain)
    return kind is None or isinstance(kind, Whole | Number | Choice | ChoiceOrCustom | Flag | FunctionName | CallOf)


def _is_text(kind: Kind | None) -> bool:
    return isinstance(kind.of if isinstance(kind, Optional) else kind, Text)


def _are_texts(value: str) -> bool:
    """Whether a value is several texts in quotes, `none` among them; a text without quotes may have commas itself."""
    parts = _parts(value)
    quoted = [len(part) > 1 and part.startswith('"') and part.endswith('"') for part in parts]
    return any(quoted) and all(each or part == "none" for each, part in zip(quoted, parts, strict=True))
