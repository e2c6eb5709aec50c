"""The AST: the nodes of a text, each with its span. Nothing is checked here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Literal

from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span


class Node(Record):
    """Base class of the nodes."""


class Name(Node):
    """The name of a key, a section, a label, a function, or of weights in a map."""

    text: str
    span: Span = field(compare=False)


class Integer(Node):
    """An integer, with its suffix applied: `384`, `1_000`, `250k`."""

    value: int
    suffixed: bool
    span: Span = field(compare=False)


class Float(Node):
    """A number with a point or an exponent."""

    value: float
    span: Span = field(compare=False)


class String(Node):
    """A string, with its escapes resolved."""

    value: str
    span: Span = field(compare=False)


class Symbol(Node):
    """A bare word: `cifar10`, `true`, `none`; also with dots, `encoder.stem`."""

    name: str
    span: Span = field(compare=False)


class Reference(Node):
    """`$name`, a number or a block list that a `let` defines; `$base`, the list of the same key in the base."""

    name: str
    span: Span = field(compare=False)


class Epochs(Node):
    """`20 epochs` and `$n epochs`."""

    count: Integer | Reference
    span: Span = field(compare=False)


class Minutes(Node):
    """`30 minutes` and `$n minutes`."""

    count: Integer | Reference
    span: Span = field(compare=False)


class Block(Node):
    """A block token, not checked: digits, letters, and an argument or none."""

    resolution: int
    operator: str
    argument: Integer | Reference | None
    resolution_span: Span = field(compare=False)
    operator_span: Span = field(compare=False)
    span: Span = field(compare=False)


class BlockOf(Node):
    """A block token whose argument is an expression: `32r($m - 1)`."""

    resolution: int
    operator: str
    argument: Value
    resolution_span: Span = field(compare=False)
    operator_span: Span = field(compare=False)
    span: Span = field(compare=False)


class Repeated(Node):
    """`k*A` and `k*(A, B)`, where k is an integer or a name. Where a number belongs, it is a product."""

    count: Integer | Reference
    body: Value
    span: Span = field(compare=False)


class Labeled(Node):
    """`A@name`."""

    entry: Value
    label: Name
    span: Span = field(compare=False)


class Group(Node):
    """`(A, B)`."""

    items: tuple[Value, ...]
    span: Span = field(compare=False)


class Negative(Node):
    """`-A`."""

    value: Value
    span: Span = field(compare=False)


class Arithmetic(Node):
    """`A + B`, `A - B`, `A * B` and `A / B`."""

    operator: Literal["+", "-", "*", "/"]
    left: Value
    right: Value
    operator_span: Span = field(compare=False)
    span: Span = field(compare=False)


class NamedArgument(Node):
    """`name = A` inside a call."""

    name: Name
    value: Value
    span: Span = field(compare=False)


class Call(Node):
    """`name(A, name = B)`."""

    function: Name
    arguments: tuple[Value | NamedArgument, ...]
    span: Span = field(compare=False)


class List(Node):
    """Several values: separated by commas, or in brackets."""

    items: tuple[Value, ...]
    span: Span = field(compare=False)

    @classmethod
    def built_later(cls, build: Callable[[], tuple[Value, ...]], span: Span) -> List:
        """A list whose items are built when they are first used, always as the same objects."""
        return cls.unchecked(span=span, _build=build)

    def __getattr__(self, name: str) -> tuple[Value, ...]:
        """The items that have not been used yet. Raises `AttributeError` for another name."""
        if name != "items":
            raise AttributeError(name)
        build = self.__dict__.get("_build")
        items: tuple[Value, ...] = self.__dict__.setdefault("items", build() if build is not None else ())
        # Only after the items: a thread that finds no `_build` finds them.
        self.__dict__.pop("_build", None)
        return items

    def __reduce__(self) -> tuple[type[List], tuple[tuple[Value, ...], Span]]:
        """A list is copied with its items."""
        return List, (self.items, self.span)


class Entry(Node):
    """`k: v` of a map."""

    key: Integer | Name
    value: Value
    span: Span = field(compare=False)


class Map(Node):
    """`{ k: v, ... }`."""

    entries: tuple[Entry, ...]
    span: Span = field(compare=False)


class Invalid(Node):
    """A token that is not a value; its diagnostic has already been reported."""

    span: Span = field(compare=False)


Value = (
    Integer
    | Float
    | String
    | Symbol
    | Reference
    | Epochs
    | Minutes
    | Block
    | BlockOf
    | Repeated
    | Labeled
    | Group
    | Negative
    | Arithmetic
    | Call
    | List
    | Map
    | Invalid
)


class Version(Node):
    """`hvae 1`."""

    number: Integer
    span: Span = field(compare=False)


class Extends(Node):
    """`extends "FILE"`."""

    target: String
    span: Span = field(compare=False)


class Let(Node):
    """`let name = value`."""

    name: Name
    value: Value
    span: Span = field(compare=False)


class Assignment(Node):
    """`key = value`."""

    key: Name
    value: Value
    span: Span = field(compare=False)


class Section(Node):
    """`name { ... }`."""

    name: Name
    statements: tuple[Statement, ...]
    span: Span = field(compare=False)


Statement = Version | Extends | Let | Assignment | Section


class Document(Node):
    """The statements of one file."""

    source: Source = field(compare=False)
    statements: tuple[Statement, ...]
    # Ranges of keys that are outside of a section because of a brace.
    outside: tuple[tuple[int, int], ...] = ()
    # Dotted keys, and `let NAME`, of dropped statements; "" if unknown.
    broken: frozenset[str] = frozenset()
    # Where the first mistake is that may move what follows it into another section; None if there is none.
    unreliable_from: int | None = field(default=None, compare=False)


# Nodes without others in them, which most nodes of a text are.
_LEAVES = frozenset((Name, Integer, Float, String, Symbol, Reference, Invalid))


def children(node: Node) -> Iterator[Node]:
    """The nodes directly in a node, in the order of the text."""
    if type(node) in _LEAVES:
        return
    values = (node.items,) if isinstance(node, List) else vars(node).values()  # items may not be built yet
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (inner for inner in value if isinstance(inner, Node))
