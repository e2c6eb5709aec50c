"""The AST: what was written, node by node, each with its span. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass, field

from hvaedsl.span import Source, Span


@dataclass(frozen=True, slots=True)
class Name:
    """A key, a symbol's or a label's name, a function's name."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number, suffix applied: `384`, `1_000`, `250k`."""

    value: int
    suffixed: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Float:
    """A number with a point or an exponent."""

    value: float
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class String:
    """A string, escapes resolved."""

    value: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A bare word: `cifar10`, `true`, `none`."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """`$name`, a whole number that a `let` gives."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A block token, read loosely: digits, letters, and what follows them (`argument` None where nothing does)."""

    resolution: int
    operator: str
    argument: Integer | Reference | None
    resolution_span: Span = field(compare=False)
    operator_span: Span = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeated:
    """`k*A` and `k*(A, B)`."""

    count: Integer | Reference
    body: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Labelled:
    """`A@name`."""

    entry: Value
    label: Name
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """`(A, B)`."""

    items: tuple[Value, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """`-A`."""

    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class NamedArgument:
    """`name = A` inside a call."""

    name: Name
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`name(A, name = B)`."""

    function: Name
    arguments: tuple[Value | NamedArgument, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class List:
    """Several values: with commas between them, or in brackets."""

    items: tuple[Value, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """`k: v` of a map."""

    key: Integer | Name
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Map:
    """`{ k: v, ... }`."""

    entries: tuple[Entry, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Invalid:
    """A token that is no value; its diagnostic has been given already."""

    span: Span = field(compare=False)


Value = (
    Integer
    | Float
    | String
    | Symbol
    | Reference
    | Block
    | Repeated
    | Labelled
    | Group
    | Negative
    | Call
    | List
    | Map
    | Invalid
)


@dataclass(frozen=True, slots=True)
class Version:
    """`hvae 1`."""

    number: Integer
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Extends:
    """`extends "FILE"`."""

    target: String
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value`."""

    name: Name
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Assignment:
    """`key = value`."""

    key: Name
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """`name { ... }`."""

    name: Name
    statements: tuple[Statement, ...]
    span: Span = field(compare=False)


Statement = Version | Extends | Let | Assignment | Section


@dataclass(frozen=True, slots=True)
class Document:
    """One file, or one override of the command line."""

    source: Source = field(compare=False)
    statements: tuple[Statement, ...]
    broken: frozenset[str] = frozenset()  # dotted keys whose statement recovery dropped; "" where unknown
