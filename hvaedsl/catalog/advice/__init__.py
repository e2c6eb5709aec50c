"""The wording of the advice, one file a rule: HV5xx on the model, HV6xx on the training.

A file is found by lying here; its `KINDS` are the kinds that it words. The check that yields one has the same name in
`hvaedsl.passes.rules`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from hvaedsl.diagnostic import Diagnostic


def kinds() -> Iterator[type[Diagnostic]]:
    """Every kind of advice, by code."""
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    found: list[type[Diagnostic]] = [kind for module in modules for kind in module.KINDS]
    return iter(sorted(found, key=lambda kind: kind.code))
