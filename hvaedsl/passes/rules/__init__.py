"""The rules, one small file each.

A rule is found by lying here. Its file has `ERRORS`, or `ADVICE`, or both: tuples of `hvaedsl.passes.base.Rule`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Literal

from hvaedsl.passes.base import Rule


def rules(kind: Literal["ERRORS", "ADVICE"]) -> tuple[Rule, ...]:
    """The rules of one kind of all files, in the order of the files' names."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return tuple(rule for name in names for rule in getattr(import_module(f"{__name__}.{name}"), kind, ()))
