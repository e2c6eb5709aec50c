"""`hvaedsl table`."""

from __future__ import annotations

from typing import Annotated

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.options import CustomFlag, Lets, Sets, allowed_custom, pairs


def table(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Spec files, or folders of them.", autocompletion=complete_spec),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Print models side by side: parameters, depth, latents, FLOPs and memory, beside the published figures.

    A base beside a file that extends it has no row. The exit code is 0 whether or not a figure deviates, 1 where a spec
    has errors; the others are printed all the same.

    Example: [bold]hvaedsl table specs/[/]
    """
    from rich.console import Console

    from hvaedsl.lint.spec_files import load_models, spec_files
    from hvaedsl.report.full import print_full
    from hvaedsl.report.model_table import model_table, model_table_json

    files = [file for path in paths for file in spec_files(path)]
    programs, errors = load_models(
        files,
        sets=pairs(sets, "--set"),
        lets=pairs(lets, "--let"),
        custom=lambda file: allowed_custom(custom, file),
    )
    models = [(program.spec, program.cost) for program in programs]
    if as_json:
        typer.echo(model_table_json(models))
    elif models:
        console = Console()
        Console(width=max(console.width, 130) if not console.is_terminal else None).print(model_table(models))
    if errors:
        print_full(errors, Console(stderr=True))
        raise typer.Exit(1)
