"""The rules, one file each: the kinds of diagnostic with their wording, and below them the check that yields them.

Modules in this package are discovered automatically. Each defines `ERRORS`, `ADVICE` or both: tuples of
`hvaedsl.passes.base.Rule`. `KINDS` maps the code of every kind of diagnostic, also of those in other packages, to its
class: HV1xx syntax, HV2xx names and values, HV3xx resolutions, HV4xx weight sharing, HV5xx advice on the model, HV6xx
advice on the training.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Literal

from hvaedsl.diagnostics import (
    blocks,
    calls,
    characters,
    constants,
    custom,
    hub,
    images,
    likelihoods,
    limits,
    names,
    notation,
    reals,
    resolutions,
    suppressions,
    syntax,
)
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.passes.base import Rule


def rules(kind: Literal["ERRORS", "ADVICE"]) -> tuple[Rule, ...]:
    """All rules of one kind, in the order of their modules' names."""
    return tuple(rule for module in modules() for rule in getattr(module, kind, ()))


def modules() -> tuple[ModuleType, ...]:
    """All rule modules, sorted by name."""
    return _modules_in(tuple(__path__))


@cache
def _modules_in(folders: tuple[str, ...]) -> tuple[ModuleType, ...]:
    found = sorted(module.name for module in pkgutil.iter_modules(folders))
    return tuple(import_module(f"{__name__}.{name}") for name in found)


def kinds_of(module: ModuleType) -> list[type[Diagnostic]]:
    """The kinds of diagnostic that a module defines, in its order."""
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Diagnostic) and item.__module__ == module.__name__
    ]


def kinds() -> dict[str, type[Diagnostic]]:
    """Every kind of diagnostic by its code, sorted by code."""
    elsewhere = (
        syntax,
        limits,
        characters,
        notation,
        names,
        constants,
        resolutions,
        images,
        likelihoods,
        reals,
        calls,
        custom,
        hub,
        blocks,
        suppressions,
    )
    found = [kind for module in (*elsewhere, *modules()) for kind in kinds_of(module)]
    return {kind.code: kind for kind in sorted(found, key=lambda kind: kind.code)}


KINDS: MappingProxyType[str, type[Diagnostic]] = MappingProxyType(kinds())
