"""`hvaedsl compile`: check a spec and print its cost per resolution."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hvaedsl.cli.options import (
    CustomFlag,
    DiagramFile,
    Json,
    Lets,
    Render,
    Sets,
    SpecOrStdin,
    TextFormat,
    allowed_custom,
    described,
    format_of,
    pairs,
)
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.streams import print_data, say
from hvaedsl.ir.pass_names import Pass

if TYPE_CHECKING:
    from hvaedsl.program import Program

Stage = Literal["ast", "spec", "bridge", "dot", "python"]


def compile_spec(
    spec: SpecOrStdin,
    emit: Annotated[
        Stage | None, typer.Option(help="Print the output of a compiler stage instead of the cost.")
    ] = None,
    after: Annotated[
        Pass | None, typer.Option(help="With --emit bridge: the bridge after this pass and those before it.")
    ] = None,
    output_format: TextFormat = "text",
    as_json: Json = False,
    render: Render = False,
    out: DiagramFile = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=described("Images for the activation memory.", "train.micro_batch or batch_size"),
        ),
    ] = None,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Check a spec and print its cost per resolution.

    Example: [bold]hvaedsl compile specs/cifar_ws.hvae --render[/]
    """
    from hvaedsl.program import program_of
    from hvaedsl.report.cost_table import cost_json, cost_table, headline
    from hvaedsl.report.full import print_full
    from hvaedsl.report.terminal import console
    from hvaedsl.syntax.text import source_or_stdin

    program = program_of(
        source_or_stdin(spec), sets=pairs(sets, "--set"), lets=pairs(lets, "--let"), custom=allowed_custom(custom, spec)
    )
    json_wanted = format_of(output_format, as_json) == "json"
    if after is not None:
        _check_after(after, emit, program)
    batch = batch_size or program.spec.train.images_at_once or 1

    if emit is not None:
        print_data(_stage(program, emit, after, as_json=json_wanted))
    elif json_wanted:
        cost = cost_json(program.spec, program.cost, program.checkpointing, batch)
        print_data(json.dumps({"name": program.name, **cost}, indent=2))
    else:
        out_console = console()
        out_console.print(cost_table(program.spec, program.cost, program.checkpointing, batch))
        out_console.print(headline(program.spec, program.cost))
        if program.advice:
            out_console.print()
            print_full(program.advice, out_console)

    if render or out is not None:
        from hvaedsl.render.output import write

        path = out or Path(f"{program.name}.svg")
        write(program.dot(), path)
        say(f"written: {path}", err=True)


def _check_after(after: Pass, emit: Stage | None, program: Program) -> None:
    """Raise UsageError if there is no bridge to print, or the spec leaves the pass out."""
    if emit != "bridge":
        raise UsageError(f"--after {after} is about a bridge", help="print it with --emit bridge")
    if after not in (program.spec.train.passes or ()):
        raise UsageError(
            f"train.passes of {program.name} leaves out {after}", help=f"add it with --set train.passes={after}"
        )


def _stage(program: Program, emit: Stage, after: Pass | None, *, as_json: bool) -> str:
    from hvaedsl.ir.bridge_text import bridge_json, bridge_text
    from hvaedsl.ir.spec_text import spec_json
    from hvaedsl.syntax.dump import ast_json, ast_text

    match emit:
        case "ast":
            return _json(ast_json(program.document)) if as_json else ast_text(program.document)
        case "spec":
            return _json(spec_json(program.spec)) if as_json else program.resolved_text()
        case "bridge":
            bridge = program.bridge if after is None else program.computed(after)
            return _json(bridge_json(bridge)) if as_json else bridge_text(bridge)
        case "dot" if as_json:
            raise UsageError("--emit dot prints DOT source, which has no JSON form; remove --json")
        case "dot":
            return program.dot()
        case "python" if as_json:
            raise UsageError("--emit python prints Python source, which has no JSON form; remove --json")
        case "python":
            return program.python_source()


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
