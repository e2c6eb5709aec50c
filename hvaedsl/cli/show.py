"""`hvaedsl show`: print the resolved spec, with inheritance, overrides and defaults applied."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hvaedsl.cli.options import Json, Lets, Sets, SpecOrStdin, TextFormat, format_of, pairs
from hvaedsl.diagnostics.streams import print_data


def show(
    spec: SpecOrStdin,
    provenance: Annotated[bool, typer.Option("--provenance", help="Print the origin of each value.")] = False,
    output_format: TextFormat = "text",
    as_json: Json = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Print the resolved spec, with inheritance, overrides and defaults applied.

    Example: [bold]hvaedsl show specs/cifar_ws.hvae --provenance[/]
    """
    from hvaedsl.ir.spec_text import spec_json
    from hvaedsl.program import program_of
    from hvaedsl.report.provenance import provenance_json, provenance_text
    from hvaedsl.syntax.text import source_or_stdin

    chosen = format_of(output_format, as_json)
    program = program_of(source_or_stdin(spec), sets=pairs(sets, "--set"), lets=pairs(lets, "--let"))
    if chosen == "json":
        data = spec_json(program.spec)
        if provenance:
            data["provenance"] = provenance_json(program.spec, program.origins, program.via)
        print_data(json.dumps(data, indent=2))
    else:
        text = program.resolved_text()
        print_data(provenance_text(program.spec, text, program.origins, program.via) if provenance else text)
