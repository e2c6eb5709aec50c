"""The bridge as text, one operation per line, and back; and as JSON.

    bridge image_resolution=8 image_channels=1
    0 stem resolution=8 in_channels=1 channels=16 kernel=3
    1 encoder_block resolution=8 channels=16 mid=4 kernel=3 group=r8_0 application=0

Fields are in the order of their class; `none` means no value, and a field of a switch that is off is omitted. Places
in the source are not printed. Of images that are not square, `columns` is printed too, last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hvaedsl.ir.blocks import BlockList, Entry, Repeat
from hvaedsl.ir.bridge import (
    FORM,
    OPERATIONS,
    Bridge,
    EncoderBlock,
    MixIn,
    Operation,
    Pool,
    Stack,
    TopDownBlock,
    stack_of,
)

SWITCHES = frozenset(
    (
        "levels",
        "block",
        "features",
        "normalize",
        "method",
        "embedding",
        "draws",
        "branch_features",
        "z_features",
        "resnet_features",
        *FORM,
    )
)


def bridge_text(bridge: Bridge) -> str:
    """The printed form of a bridge, one operation per line."""
    columns = f" image_columns={bridge.image_columns}" if bridge.image_columns is not None else ""
    head = f"bridge image_resolution={bridge.image_resolution} image_channels={bridge.image_channels}{columns}"
    lines = [f"{index} {op.kind} {_fields_text(op)}" for index, op in enumerate(bridge.operations)]
    return "\n".join([head, *lines]) + "\n"


def block_lists(bridge: Bridge) -> dict[Stack, BlockList]:
    """The block lists of both stacks, which the bridge was built from; only the grouping of their entries may differ.

    Blocks with weights of their own become one `x` entry, applications of the same weights one `r` entry.
    """
    ops = [op for op in bridge.operations if isinstance(op, (EncoderBlock, TopDownBlock, Pool, MixIn))]
    stacks: dict[Stack, list[Entry]] = {"encoder": [], "decoder": []}

    group = ""  # of the last `x` or `r` entry; nothing continues another entry
    for before, op, after in zip([None, *ops], ops, [*ops[1:], None], strict=False):
        if not isinstance(op, (EncoderBlock, TopDownBlock)):
            group = ""
            continue

        entries, label = stacks[stack_of(op)], op.group[1:] if op.group.startswith("@") else None
        if isinstance(after, Pool):
            entries.append(Entry(op.resolution, "d", after.factor, label))
        elif isinstance(before, MixIn):
            entries.append(Entry(op.resolution, "m", before.source, label))
        elif op.group == group and entries and entries[-1].resolution == op.resolution:
            entries[-1] = Entry(op.resolution, "r", entries[-1].argument + 1, label)
        else:
            entries.append(Entry(op.resolution, "x", 1, label))
            group = op.group

    return {stack: BlockList(tuple(_joined(entries))) for stack, entries in stacks.items()}


def _joined(entries: Iterable[Entry]) -> Iterator[Entry | Repeat]:
    """The entries without a label, with adjacent single blocks as one entry and equal repetitions as one item."""
    for entry, run in groupby(entries):
        count = len(list(run))
        if entry.label is None and entry.operator == "x":
            yield Entry(entry.resolution, "x", count)
        elif entry.label is None and entry.operator == "r" and count > 1:
            yield Repeat(count, (entry,))
        else:
            yield from [entry] * count


def parse_bridge(text: str) -> Bridge:
    """Parse the printed form of a bridge. Raises `ValueError` with the number of an invalid line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].split()[0] != "bridge":
        raise ValueError("line 1: a printed bridge starts with `bridge`")

    operations = []
    for index, line in enumerate(lines[1:]):
        try:
            number, kind, *fields = line.split()
            if int(number) != index:
                raise ValueError(f"expected operation {index}, found {number}")
            operations.append(_operation(kind, _pairs(fields)))
        except (KeyError, ValueError, ValidationError) as error:
            raise ValueError(f"line {index + 2}: {error}") from None

    head = {name: int(value) for name, value in _pairs(lines[0].split()[1:]).items()}
    return Bridge(**head, operations=tuple(operations))


def bridge_json(bridge: Bridge) -> dict[str, Any]:
    """The bridge as data for `json.dumps`."""
    return {
        "image_resolution": bridge.image_resolution,
        "image_channels": bridge.image_channels,
        **({"image_columns": bridge.image_columns} if bridge.image_columns is not None else {}),
        "operations": [{"kind": op.kind, **_fields(op)} for op in bridge.operations],
    }


def _fields(op: Operation) -> dict[str, Any]:
    fields = (field for field in dataclasses.fields(op) if field.compare and field.name != "columns")
    found = {field.name: getattr(op, field.name) for field in fields}
    found = {name: value for name, value in found.items() if name not in FORM or value}  # only if a pass has set it
    return found if op.columns is None else found | {"columns": op.columns}


def _fields_text(op: Operation) -> str:
    off = {field.name: field.default for field in dataclasses.fields(op) if field.name in SWITCHES}
    shown = {name: value for name, value in _fields(op).items() if name not in off or value != off[name]}
    return " ".join(f"{name}={_value_text(value)}" for name, value in shown.items())


def _value_text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _pairs(fields: list[str]) -> dict[str, str]:
    found = {}
    for item in fields:
        name, separator, value = item.partition("=")
        if not separator:
            raise ValueError(f"`{item}` is not name=value")
        found[name] = value
    return found


def _operation(kind: str, fields: dict[str, str]) -> Operation:
    if kind not in OPERATIONS:
        raise ValueError(f"unknown operation `{kind}`")
    cls = OPERATIONS[kind]
    known = {field.name for field in dataclasses.fields(cls) if field.compare}
    if unknown := sorted(set(fields) - known):
        raise ValueError(f"{kind} has no field {unknown[0]}")
    values = {name: None if value == "none" else value for name, value in fields.items()}
    made: Operation = TypeAdapter(cls).validate_python(values)
    return made
