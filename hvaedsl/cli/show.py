"""`hvaedsl show`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hvaedsl.cli.options import Lets, Sets, SpecPath, pairs


def show(
    spec: SpecPath,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Say behind each value where it was written.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Print the resolved spec: inheritance and overrides applied, every default filled in.

    Example: [bold]hvaedsl show specs/cifar_ws.hvae --provenance[/]
    """
    from hvaedsl.ir.spec_text import spec_json
    from hvaedsl.program import load
    from hvaedsl.report.provenance import provenance_json, provenance_text

    program = load(spec, sets=pairs(sets, "--set"), lets=pairs(lets, "--let"))
    if as_json:
        data = spec_json(program.spec)
        if provenance:
            data["provenance"] = provenance_json(program.spec, program.origins)
        typer.echo(json.dumps(data, indent=2))
    else:
        text = program.resolved_text()
        typer.echo(provenance_text(program.spec, text, program.origins) if provenance else text, nl=False)
