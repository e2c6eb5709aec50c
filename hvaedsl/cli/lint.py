"""`hvaedsl lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.options import Lets, Sets, pairs
from hvaedsl.diagnostic import Diagnostic


def lint(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Spec files, or folders of them.")],
    output_format: Annotated[
        Literal["full", "json"], typer.Option("--output-format", help="How findings are printed.")
    ] = "full",
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Check specs: every error and all advice. Exit code 0 where nothing is found, 1 where something is.

    Example: [bold]hvaedsl lint specs/ --output-format json[/]
    """
    from rich.console import Console

    from hvaedsl.errors import SpecError
    from hvaedsl.program import compile_source, source_of
    from hvaedsl.report.as_json import to_json
    from hvaedsl.report.full import print_full

    found: list[Diagnostic] = []
    files = [file for path in paths for file in spec_files(path)]
    for path in files:
        try:
            source = source_of(path)
        except SpecError as error:
            found.extend(error.diagnostics)
            continue
        found.extend(compile_source(source, sets=pairs(sets, "--set"), lets=pairs(lets, "--let")).diagnostics)
    found = list(dict.fromkeys(found))  # a base's finding is found through each of its children
    if output_format == "json":
        typer.echo(to_json(found))
    elif found:
        print_full(found, Console())
    else:
        typer.echo(f"nothing found in {len(files)} spec{'s' * (len(files) != 1)}")
    raise typer.Exit(1 if found else 0)


def spec_files(path: str) -> list[str]:
    """A file as it is; of a folder every `.hvae` file in it, in order."""
    from hvaedsl.errors import UsageError

    folder = Path(path)
    if not folder.is_dir():
        return [path]
    files = sorted(str(file) for file in folder.rglob("*.hvae") if file.is_file())
    if not files:
        raise UsageError(f"{path}: no .hvae file in this folder")
    return files
