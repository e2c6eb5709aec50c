"""`hvaedsl table`: models with their cost, next to the published figures."""

from __future__ import annotations

from typing import Annotated

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.options import CustomFlag, Json, Lets, Sets, TextFormat, allowed_custom, format_of, pairs
from hvaedsl.diagnostics.streams import print_data


def table(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Spec files or folders.", autocompletion=complete_spec),
    ],
    output_format: TextFormat = "text",
    as_json: Json = False,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Print a table of models: parameters, depth, latents, FLOPs and memory, next to the published figures.

    A base has no row if a file that extends it is in the table. Exit code 1 if a spec has errors, 0 otherwise, even if
    a figure deviates from the published one.

    Example: [bold]hvaedsl table specs/[/]
    """
    from hvaedsl.lint.spec_files import load_models, spec_files
    from hvaedsl.report.full import print_full
    from hvaedsl.report.model_table import model_table, model_table_json
    from hvaedsl.report.terminal import console
    from hvaedsl.syntax.text import raise_refused

    chosen = format_of(output_format, as_json)
    given = spec_files(*paths)
    programs, errors, refused = load_models(
        given.files,
        sets=pairs(sets, "--set"),
        lets=pairs(lets, "--let"),
        custom=lambda file: allowed_custom(custom, file),
    )

    # The models that compile are printed even if others have errors.
    models = [(program.spec, program.cost) for program in programs]
    if chosen == "json" and (models or not refused):
        print_data(model_table_json(models))
    elif models:
        console().print(model_table(models))
    if errors:
        print_full(errors, console(err=True))
    raise_refused([*given.refused, *refused])
    if errors:
        raise typer.Exit(1)
