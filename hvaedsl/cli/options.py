"""Arguments that several commands take, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hvaedsl.cli.completion import complete_key, complete_spec
from hvaedsl.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from hvaedsl.custom.importing import CustomParts

SpecPath = Annotated[
    str,
    typer.Argument(metavar="SPEC", help="A .hvae file, or the name of a shipped spec.", autocompletion=complete_spec),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key, e.g. --set train.learning_rate=1e-4. Repeatable.",
        autocompletion=complete_key,
    ),
]
Lets = Annotated[
    list[str] | None, typer.Option("--let", metavar="NAME=N", help="Override a constant, e.g. --let n=20. Repeatable.")
]

CustomFlag = Annotated[
    bool,
    typer.Option(
        "--custom",
        "--plugins",
        help="Import custom cells, likelihoods and datasets to check and count them. A project sets it with "
        "custom = true in \\[tool.hvaedsl].",
    ),
]


def allowed_custom(flag: bool, path: str) -> CustomParts | None:
    """Leave to import one's own parts, by the flag or by the configuration of the project that a spec belongs to."""
    from hvaedsl.custom.importing import CustomParts
    from hvaedsl.lint.configuration import configuration_of

    return CustomParts() if flag or configuration_of(Path(path).parent).custom else None


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
