"""Arguments and options that several commands share, each declared once, and functions that read their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from hvaedsl.cli.completion import complete_key, complete_spec
from hvaedsl.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from hvaedsl.custom.importing import CustomParts

Format = TypeVar("Format", bound=str)


def described(meaning: str, default: str = "") -> str:
    """The help of an option with a default that is computed, shown as typer shows other defaults."""
    return f"{meaning} [dim]\\[default: {default}][/]" if default else meaning


SpecPath = Annotated[
    str,
    typer.Argument(metavar="SPEC", help="Spec file (.hvae) or name of a shipped spec.", autocompletion=complete_spec),
]

SpecOrStdin = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="Spec file (.hvae), name of a shipped spec, or - for standard input.",
        autocompletion=complete_spec,
    ),
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
        help="Import custom cells, likelihoods and datasets to check and count them. To enable this for a project, set "
        "custom = true in \\[tool.hvaedsl].",
    ),
]

TextFormat = Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Render = Annotated[bool, typer.Option("--render", help="Draw a diagram, to --out or NAME.svg.")]
DiagramFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Diagram file: .svg, .png or .pdf. Implies --render."),
]


def format_of(chosen: Format, as_json: bool, default: str = "text") -> Format | Literal["json"]:
    """The output format, of which `--json` is a short form. Raises `UsageError` if the two options contradict."""
    if as_json and chosen not in (default, "json"):
        raise UsageError(f"--format is {chosen}, but --json is short for --format json; remove one of them")
    return "json" if as_json else chosen


def allowed_custom(flag: bool, path: str) -> CustomParts | None:
    """Permission to import custom code, given by the flag or by the configuration of the spec's project."""
    from hvaedsl.custom.importing import CustomParts
    from hvaedsl.lint.configuration import configuration_of

    return CustomParts() if flag or configuration_of(Path(path).parent).custom else None


def custom_permission(flag: bool) -> Callable[[str], CustomParts | None]:
    """`allowed_custom` for many specs: the configuration is read once for each folder."""
    by_folder: dict[str, CustomParts | None] = {}

    def allowed(path: str) -> CustomParts | None:
        folder = os.path.split(path)[0]
        if folder not in by_folder:
            by_folder[folder] = allowed_custom(flag, path)
        return by_folder[folder]

    return allowed


def pairs(given: Sequence[str] | None, flag: str) -> dict[str, str]:
    """`KEY=VALUE` options as a mapping. Raises `UsageError` if an `=` is missing or a key is given twice."""
    found: dict[str, str] = {}
    for item in given or ():
        key, separator, value = item.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"{flag} is `{item}`; it must be NAME=VALUE")
        if key.strip() in found:
            raise UsageError(f"{flag} {key.strip()} is given twice")
        found[key.strip()] = value.strip()
    return found
