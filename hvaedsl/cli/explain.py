"""`hvaedsl explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hvaedsl.cli.completion import complete_explained, complete_explained_name


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE|cell]",
            help="A code such as HV303; none lists them all.",
            autocompletion=complete_explained,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="After `cell`: which one; none lists them.",
            autocompletion=complete_explained_name,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="After `cell NAME`: draw it, to .svg, .png or .pdf.")
    ] = None,
) -> None:
    """Say what a diagnostic means, why it is one, and show a wrong and a right example; or what a cell computes.

    Example: [bold]hvaedsl explain HV303[/], [bold]hvaedsl explain cell nvae --output nvae.svg[/]
    """
    from hvaedsl.catalog import KINDS
    from hvaedsl.diagnostic import did_you_mean
    from hvaedsl.errors import UsageError
    from hvaedsl.report.explain import explanation, template_title

    if code == "cell":
        _explain_cell(name, output)
        return
    if output is not None:
        raise UsageError("--output draws a cell: `hvaedsl explain cell NAME --output FILE`")
    if name is not None:
        raise UsageError(f"a code stands alone: `hvaedsl explain {code}`")
    if code is None:
        for kind in KINDS.values():
            typer.echo(f"{kind.code}  {template_title(kind)}")
        return
    found = KINDS.get(code.upper())
    if found is None:
        raise UsageError(f"no code {code}: {did_you_mean(code.upper(), KINDS) or '`hvaedsl explain` lists them'}")
    typer.echo(explanation(found), nl=False)


def _explain_cell(name: str | None, output: Path | None) -> None:
    from hvaedsl.catalog.cells import CELL_TEXTS
    from hvaedsl.diagnostic import did_you_mean
    from hvaedsl.errors import UsageError
    from hvaedsl.report.explain import cell_explanation

    if name is None and output is not None:
        raise UsageError("--output draws one cell: name it")
    if name is None:
        for text in CELL_TEXTS.values():
            typer.echo(f"{text.name:<16}{text.title}")
        return
    found = CELL_TEXTS.get(name)
    if found is None:
        raise UsageError(f"no cell {name}: {did_you_mean(name, CELL_TEXTS) or '`hvaedsl explain cell` lists them'}")
    typer.echo(cell_explanation(found), nl=False)
    if output is not None:
        from hvaedsl.render.cells import cell_dot
        from hvaedsl.render.output import write

        write(cell_dot(found.name), output, engine="dot")
        typer.echo(f"drawn: {output}", err=True)
