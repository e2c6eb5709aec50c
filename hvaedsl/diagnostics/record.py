"""Record: a base class for frozen dataclasses that generates no methods per class, so that starting is faster.

`dataclasses.dataclass` generates and compiles six methods for every class, 0.35 ms per class at each start of the
program. The compiler has two hundred kinds of nodes, diagnostics and results, of which one file needs eighty: making
them took a fifth of the time of `hvaedsl lint`. A record is a dataclass for `dataclasses.fields`, `replace` and
`asdict`, for patterns and for the type checker; its fields are read from its annotations when the first object of its
class is made. Records have no slots, so the operations of a bridge (up to a hundred thousand) are plain dataclasses.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from threading import Lock
from typing import Any, ClassVar, NoReturn, Self, dataclass_transform

# The number of objects after which a class gets a method `__init__` of its own, as dataclasses have it: it is four
# times faster. Compiling it takes as long as making sixty objects without it.
GENERATED_AFTER = 100

_completing = Lock()
_made: dict[type[Record], int] = {}  # objects of each class, up to that number


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record:
    """Base class of the records. `kw_only` applies to a class and its subclasses."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _kw_only: ClassVar[bool] = False
    _positional: ClassVar[tuple[str, ...]]
    _names: ClassVar[frozenset[str]]
    _compared: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, object]]

    def __init_subclass__(cls, *, kw_only: bool | None = None) -> None:
        """Store `kw_only`; the fields are read with the first object."""
        super().__init_subclass__()
        if kw_only is not None:
            cls._kw_only = kw_only
        if "__init__" not in cls.__dict__:
            cls.__init__ = Record.__init__  # type: ignore[method-assign]  # not the one generated for a base

    def __init__(self, *values: object, **named: object) -> None:
        """Make an object of these values. Raises `TypeError` for wrong arguments, as a dataclass does."""
        cls = type(self)
        if "_names" not in cls.__dict__:
            _complete(cls)
        made = _made[cls] = _made.get(cls, 0) + 1
        if made == GENERATED_AFTER:
            _generate_init(cls)

        if values:
            positional = dict(zip(cls._positional, values, strict=False))
            if len(positional) < len(values) or not named.keys().isdisjoint(positional):
                raise TypeError(f"{cls.__qualname__} got too many positional arguments, or one of them by name too")
            named = positional | named

        if named.keys() != cls._names:
            named = _with_defaults(cls, named)
        self.__dict__.update(named)

    @classmethod
    def unchecked(cls, **named: object) -> Self:
        """Make an object of these values, which must be its fields; for records of which a text has thousands."""
        if "_names" not in cls.__dict__:
            _complete(cls)
        made = object.__new__(cls)
        made.__dict__.update(named)
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """The schema of the dataclass that the class is, also before its first object."""
        if "_names" not in cls.__dict__:
            _complete(cls)
        return handler(source)

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take over the fields of a pickled or copied object, which may be the first one of its class here."""
        if "_names" not in type(self).__dict__:
            _complete(type(self))
        self.__dict__.update(state)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Raise `FrozenInstanceError`."""
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        """Raise `FrozenInstanceError`."""
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        """Whether both have the same class and equal compared fields."""
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._compared)

    def __hash__(self) -> int:
        """The hash of the compared fields."""
        return hash(tuple(getattr(self, name) for name in self._compared))

    def __repr__(self) -> str:
        """The Python expression for the record, without fields of `repr=False`."""
        shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__qualname__}({shown})"


def _complete(cls: type[Record]) -> None:
    """Read the fields of a class, those of its bases first.

    If two threads make the first object at once, the second one waits. A class that has `_names` is complete.
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


def _generate_init(cls: type[Record]) -> None:
    """Replace `Record.__init__` in a class by a method with its fields as parameters; it sets the same fields."""
    if cls.__init__ is not Record.__init__:
        return  # written by hand

    # The names of fields are those of parameters; two underscores keep the other names apart.
    scope: dict[str, object] = {"__missing": MISSING}
    positional: list[str] = ["__self"]
    named: list[str] = []
    body = ["__values = __self.__dict__"]
    for item in fields(cls):
        parameter, value = item.name, item.name
        if item.default is not MISSING:
            parameter = f"{item.name}=__default_{item.name}"
            scope[f"__default_{item.name}"] = item.default
        elif item.default_factory is not MISSING:
            parameter = f"{item.name}=__missing"
            value = f"__make_{item.name}() if {item.name} is __missing else {item.name}"
            scope[f"__make_{item.name}"] = item.default_factory
        (named if item.kw_only else positional).append(parameter)
        body.append(f"__values[{item.name!r}] = {value}")

    parameters = ", ".join([*positional, *(["*", *named] if named else [])])
    exec(f"def __init__({parameters}):\n  " + "\n  ".join(body), scope)
    cls.__init__ = scope["__init__"]  # type: ignore[method-assign, assignment]


def _with_defaults(cls: type[Record], given: dict[str, object]) -> dict[str, object]:
    """The values of all fields. Raises `TypeError` for a missing or an unknown field."""
    found = cls._defaults | given
    if found.keys() != cls._names:
        for item in fields(cls):
            if item.name not in found and item.default_factory is not MISSING:
                found[item.name] = item.default_factory()
        if wrong := found.keys() ^ cls._names:
            raise TypeError(f"{cls.__qualname__}: missing or unknown fields {', '.join(sorted(wrong))}")
    return found
