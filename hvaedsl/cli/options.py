"""Arguments that several commands take, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from hvaedsl.errors import UsageError

SpecPath = Annotated[str, typer.Argument(metavar="SPEC", help="A .hvae file, or the name of a shipped spec.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. --set train.learning_rate=1e-4. Repeatable."),
]
Lets = Annotated[
    list[str] | None, typer.Option("--let", metavar="NAME=N", help="Override a constant, e.g. --let n=20. Repeatable.")
]


def pairs(given: Sequence[str] | None, flag: str) -> dict[str, str]:
    """`KEY=VALUE` options as a mapping. Raises `UsageError` where the `=` is missing or a key comes twice."""
    found: dict[str, str] = {}
    for item in given or ():
        key, separator, value = item.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"{flag} takes NAME=VALUE, not `{item}`")
        if key.strip() in found:
            raise UsageError(f"{flag} {key.strip()} is given twice")
        found[key.strip()] = value.strip()
    return found
