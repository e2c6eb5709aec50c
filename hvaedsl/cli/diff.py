"""`hvaedsl diff`: compare two specs: architecture, cost and training settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.options import CustomFlag, DiagramFile, Json, Lets, Sets, allowed_custom, format_of, pairs
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.streams import print_data, say

Format = Literal["text", "markdown", "json"]


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Spec file (.hvae), name of a shipped spec, git:REV:PATH, or - for standard input.",
            autocompletion=complete_spec,
        ),
    ],
    after: Annotated[
        str,
        typer.Argument(metavar="B", help="Spec to compare with A, in the same forms.", autocompletion=complete_spec),
    ],
    output_format: Annotated[Format, typer.Option("--format", help="Output format.")] = "text",
    as_json: Json = False,
    render: Annotated[
        bool, typer.Option("--render", help="Draw a diagram of both, with marked changes, to --out or A-B.svg.")
    ] = False,
    out: DiagramFile = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit code 0 even if there are differences.")] = False,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Compare two specs: architecture, cost and training settings.

    Exit code 0 if nothing differs, 1 if something does, 2 if a spec is missing or does not compile. --set and --let
    apply to both specs.

    Example: [bold]hvaedsl diff cifar cifar_ws[/], [bold]hvaedsl diff git:main:mine.hvae mine.hvae --format markdown[/]
    """
    from hvaedsl.diff.as_json import difference_json
    from hvaedsl.diff.compare import compare
    from hvaedsl.diff.loading import load_spec
    from hvaedsl.diff.markdown import difference_markdown
    from hvaedsl.diff.text import difference_text
    from hvaedsl.report.full import print_full
    from hvaedsl.report.terminal import console

    chosen = format_of(output_format, as_json)
    if before == after == "-":
        raise UsageError("only one of the two specs can be standard input (-)")
    overrides, constants = pairs(sets, "--set"), pairs(lets, "--let")
    first, second = (
        load_spec(place, sets=overrides, lets=constants, custom=allowed_custom(custom, place))
        for place in (before, after)
    )

    # Both specs are reported before the command gives up.
    if first.program is None or second.program is None:
        for side in (first, second):
            if side.program is None:
                say(f"{side.label} does not compile:", err=True)
                say("", err=True)
                print_full(side.diagnostics, console(err=True))
        raise typer.Exit(2)

    difference = compare(first.program, second.program, (before, after))
    printed = {"text": difference_text, "markdown": difference_markdown, "json": difference_json}[chosen]
    print_data(printed(difference))

    if render or out is not None:
        from hvaedsl.diff.pictures import difference_dot
        from hvaedsl.render.output import write

        path = out or Path(f"{first.program.name}-{second.program.name}.svg")
        write(difference_dot(first.program, second.program), path)
        say(f"written: {path}", err=True)
    raise typer.Exit(0 if difference.is_empty or exit_zero else 1)
