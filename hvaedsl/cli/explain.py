"""`hvaedsl explain`."""

from __future__ import annotations

from typing import Annotated

import typer


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="A code such as HV303; none lists them all.")
    ] = None,
) -> None:
    """Say what a diagnostic means, why it is one, and show a wrong and a right example.

    Example: [bold]hvaedsl explain HV303[/]
    """
    from hvaedsl.catalog import KINDS
    from hvaedsl.diagnostic import did_you_mean
    from hvaedsl.errors import UsageError
    from hvaedsl.report.explain import explanation, template_title

    if code is None:
        for kind in KINDS.values():
            typer.echo(f"{kind.code}  {template_title(kind)}")
        return
    found = KINDS.get(code.upper())
    if found is None:
        raise UsageError(f"no code {code}: {did_you_mean(code.upper(), KINDS) or '`hvaedsl explain` lists them'}")
    typer.echo(explanation(found), nl=False)
