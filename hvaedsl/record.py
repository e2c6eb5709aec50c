"""Frozen dataclasses that are made when the first object of them is.

`dataclasses.dataclass` compiles six methods for each class. The compiler has a hundred kinds of nodes and diagnostics,
and one file needs a dozen of them: making all took a seventh of the time of `hvaedsl lint`. A base class that calls
`complete` in its `__new__`, and is a `typing.dataclass_transform` to the type checker, leaves it to the first object.

Two threads may make the first object at once: the second waits, since a class that is half made has no fields yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

_MADE = "_record_is_made"
_making = Lock()


def complete(cls: type, *, kw_only: bool = False) -> None:
    """Make a class a frozen dataclass, unless it is one; its bases among the records first."""
    for base in reversed(cls.__mro__):
        if "__annotations__" in base.__dict__ and _MADE not in base.__dict__:
            with _making:
                if "__dataclass_fields__" not in base.__dict__:
                    dataclass(frozen=True, kw_only=kw_only)(base)
                setattr(base, _MADE, True)
