"""`hvaedsl lint`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.options import Lets, PluginsFlag, Sets, allowed_plugins, pairs


def lint(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Spec files, or folders of them.", autocompletion=complete_spec),
    ],
    output_format: Annotated[
        Literal["full", "json"], typer.Option("--output-format", help="How findings are printed.")
    ] = "full",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compile every spec, also those that have not changed.")
    ] = False,
    plugins: PluginsFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Check specs: every error and all advice. Exit code 0 where nothing is found, 1 where something is.

    A file that another one extends is a base: keys that it leaves out are not missing.

    Example: [bold]hvaedsl lint specs/ --output-format json[/]
    """
    from hvaedsl.lint_cache import lint_cache
    from hvaedsl.spec_files import lint_files, spec_files

    files = [file for path in paths for file in spec_files(path)]
    found = lint_files(
        files,
        sets=pairs(sets, "--set"),
        lets=pairs(lets, "--let"),
        plugins=lambda file: allowed_plugins(plugins, file),
        cache=None if no_cache else lint_cache(),
    )
    if output_format == "json":
        from hvaedsl.report.as_json import to_json

        typer.echo(to_json(found))
    elif found:
        from rich.console import Console

        from hvaedsl.report.full import print_full

        print_full(found, Console())
    else:
        typer.echo(f"nothing found in {len(files)} spec{'s' * (len(files) != 1)}")
    raise typer.Exit(1 if found else 0)
