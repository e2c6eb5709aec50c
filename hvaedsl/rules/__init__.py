"""The rules, one file each: the kinds of diagnostic that it yields, worded, and below them the check that yields them.

Files are discovered by their names. A file has `ERRORS` or `ADVICE`, or both: tuples of `hvaedsl.passes.base.Rule`.
`KINDS` has every kind of diagnostic by its code, also those of other rooms: HV1xx syntax, HV2xx names and values,
HV3xx resolutions, HV4xx weight sharing, HV5xx advice on the model, HV6xx advice on the training.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Literal

from hvaedsl.diagnostics import blocks, custom, names, suppressions, syntax
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule


def rules(kind: Literal["ERRORS", "ADVICE"]) -> tuple[Rule, ...]:
    """The rules of one kind of all files, in the order of the files' names."""
    return tuple(rule for module in modules() for rule in getattr(module, kind, ()))


def modules() -> list[ModuleType]:
    """The module of every rule, in the order of the files' names."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [import_module(f"{__name__}.{name}") for name in found]


def kinds_of(module: ModuleType) -> list[type[Diagnostic]]:
    """The kinds of diagnostic that a module words, in its order."""
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Diagnostic) and item.__module__ == module.__name__
    ]


def kinds() -> dict[str, type[Diagnostic]]:
    """Every kind of diagnostic by its code, in the order of the codes."""
    found = [kind for module in (syntax, names, custom, blocks, suppressions, *modules()) for kind in kinds_of(module)]
    return {kind.code: kind for kind in sorted(found, key=lambda kind: kind.code)}


KINDS: MappingProxyType[str, type[Diagnostic]] = MappingProxyType(kinds())
