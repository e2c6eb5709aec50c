"""`hvaedsl diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_spec
from hvaedsl.cli.options import CustomFlag, Lets, Sets, allowed_custom, pairs

Format = Literal["text", "markdown", "json"]


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A .hvae file, a shipped spec, or git:REV:PATH.", autocompletion=complete_spec
        ),
    ],
    after: Annotated[
        str, typer.Argument(metavar="B", help="What it is compared with; likewise.", autocompletion=complete_spec)
    ],
    output_format: Annotated[Format, typer.Option("--format", help="How differences are printed.")] = "text",
    render: Annotated[bool, typer.Option("--render", help="Draw both, changes marked; writes A-B.svg.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to draw to: .svg, .png or .pdf. Implies --render.")
    ] = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit code 0 where there are differences.")] = False,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Say what has changed between two specs: the architecture, its cost and its training, not the text.

    Exit code 0 where nothing differs, 1 where something does, 2 where a side is missing or does not compile. --set and
    --let count for both sides.

    Example: [bold]hvaedsl diff cifar cifar_ws[/], [bold]hvaedsl diff git:main:mine.hvae mine.hvae --format markdown[/]
    """
    from rich.console import Console

    from hvaedsl.diagnostics.printable import printable
    from hvaedsl.diff.as_json import difference_json
    from hvaedsl.diff.compare import compare
    from hvaedsl.diff.loading import load_spec
    from hvaedsl.diff.markdown import difference_markdown
    from hvaedsl.diff.text import difference_text
    from hvaedsl.report.full import print_full

    overrides, constants = pairs(sets, "--set"), pairs(lets, "--let")
    first, second = (
        load_spec(place, sets=overrides, lets=constants, custom=allowed_custom(custom, place))
        for place in (before, after)
    )
    if first.program is None or second.program is None:
        console = Console(stderr=True)
        for side in (first, second):
            if side.program is None:
                console.print(
                    f"{printable(side.label)} does not compile:\n", highlight=False, markup=False, soft_wrap=True
                )
                print_full(side.diagnostics, console)
        raise typer.Exit(2)
    difference = compare(first.program, second.program, (before, after))
    printed = {"text": difference_text, "markdown": difference_markdown, "json": difference_json}[output_format]
    typer.echo(printed(difference), nl=False)
    if render or output is not None:
        from hvaedsl.diff.pictures import difference_dot
        from hvaedsl.render.output import write

        path = output or Path(f"{first.program.name}-{second.program.name}.svg")
        write(difference_dot(first.program, second.program), path)
        Console(stderr=True).print(f"drawn: {path}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if difference.is_empty or exit_zero else 1)
