"""Frozen dataclasses whose methods are written once, here.

`dataclasses.dataclass` writes and compiles six methods for every class, 0.35 ms each time that the program starts. The
compiler has two hundred kinds of nodes, diagnostics and results, of which one file needs eighty: making them was a
fifth of the time of `hvaedsl lint`. A record is a dataclass to `dataclasses.fields`, `replace` and `asdict`, to
patterns and to the type checker; its fields are read from its annotations with the first object of its class. It has no
slots, which is why the operations of a bridge, of which there may be a hundred thousand, are none.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from threading import Lock
from typing import Any, ClassVar, NoReturn, dataclass_transform

_completing = Lock()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record:
    """The base of the records. `kw_only` says, for a class and those derived from it, how objects are made."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _kw_only: ClassVar[bool] = False
    _positional: ClassVar[tuple[str, ...]]
    _names: ClassVar[frozenset[str]]
    _compared: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, object]]

    def __init_subclass__(cls, *, kw_only: bool | None = None) -> None:
        """Note how objects are made; the fields are read later."""
        super().__init_subclass__()
        if kw_only is not None:
            cls._kw_only = kw_only

    def __init__(self, *values: object, **named: object) -> None:
        """An object of these values. Raises `TypeError` as a dataclass does."""
        cls = type(self)
        if "_names" not in cls.__dict__:
            _complete(cls)
        if values:
            positional = dict(zip(cls._positional, values, strict=False))
            if len(positional) < len(values) or not named.keys().isdisjoint(positional):
                raise TypeError(f"{cls.__qualname__} takes fewer positional arguments, or got one by its name too")
            named = positional | named
        if named.keys() != cls._names:
            named = _with_defaults(cls, named)
        self.__dict__.update(named)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """A record is frozen."""
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        """A record is frozen."""
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and equal in all fields that are compared."""
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._compared)

    def __hash__(self) -> int:
        """Of the fields that are compared."""
        return hash(tuple(getattr(self, name) for name in self._compared))

    def __repr__(self) -> str:
        """As it would be written in Python, without the fields that are not shown."""
        shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__qualname__}({shown})"


def _complete(cls: type[Record]) -> None:
    """Read the fields of a class; those of its bases first.

    Two threads may make the first object at once: the second waits. `_names` says that a class is complete.
    """
    with _completing:
        for base in reversed(cls.__mro__):
            if issubclass(base, Record) and base is not Record and "_names" not in base.__dict__:
                dataclass(init=False, repr=False, eq=False, kw_only=base._kw_only)(base)
                found = fields(base)
                base._positional = tuple(item.name for item in found if not item.kw_only)
                base._compared = tuple(item.name for item in found if item.compare)
                base._defaults = {item.name: item.default for item in found if item.default is not MISSING}
                base._names = frozenset(item.name for item in found)


def _with_defaults(cls: type[Record], given: dict[str, object]) -> dict[str, object]:
    """The values of all fields. Raises `TypeError` where one is missing, or of no field."""
    found = cls._defaults | given
    if found.keys() != cls._names:
        for item in fields(cls):
            if item.name not in found and item.default_factory is not MISSING:
                found[item.name] = item.default_factory()
        if wrong := found.keys() ^ cls._names:
            raise TypeError(f"{cls.__qualname__} misses, or has no field {', '.join(sorted(wrong))}")
    return found
