"""`hvaedsl explain`: explain a diagnostic, with its reason and a wrong and a right example, a cell or a block."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from hvaedsl.cli.completion import complete_explained, complete_explained_name
from hvaedsl.diagnostics.streams import print_data, say

if TYPE_CHECKING:
    from hvaedsl.diagnostics.diagnostic import Diagnostic


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE|cell|block",
            help="Code of a diagnostic, e.g. HV303, or `cell`, or `block`. If omitted, all codes are listed.",
            autocompletion=complete_explained,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="With `cell` or `block`: its name. If omitted, all of them are listed.",
            autocompletion=complete_explained_name,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="With `cell NAME`: diagram file, .svg, .png or .pdf.")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a page for each code, and an index, to a folder. With `cell`: cells.md and its pictures.",
        ),
    ] = None,
) -> None:
    """Explain a diagnostic, with its reason and a wrong and a right example, or a cell or residual block.

    Example: [bold]hvaedsl explain HV303[/], [bold]hvaedsl explain cell nvae --out nvae.svg[/]
    """
    from hvaedsl.diagnostics.diagnostic import did_you_mean
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl.report.explain import explanation, template_title
    from hvaedsl.rules import KINDS

    # The pages of all codes or cells.
    if markdown is not None:
        if code not in (None, "cell") or name is not None or out is not None:
            raise UsageError("--markdown writes the pages of all codes or all cells; remove NAME and --out")
        (_write_pages if code is None else _write_cells)(markdown)
        return

    # A cell, or the list of cells.
    if code == "cell":
        _explain_cell(name, out)
        return

    # A residual block, or the list of them.
    if code == "block" and out is None:
        _explain_block(name)
        return

    # A code, or the list of codes.
    if out is not None:
        raise UsageError("--out needs a cell: `hvaedsl explain cell NAME --out FILE`")
    if name is not None:
        raise UsageError(f"unexpected argument {name}; use `hvaedsl explain {code}`")
    if code is None:
        for kind in KINDS.values():
            say(f"{kind.code}  {template_title(kind)}")
        return
    found = KINDS.get(code.upper())
    if found is None:
        hint = did_you_mean(code.upper(), KINDS) or "`hvaedsl explain` lists all codes"
        raise UsageError(f"unknown code {code}: {hint}")
    print_data(explanation(found))


def _write_pages(folder: Path) -> None:
    from hvaedsl.diagnostics.refusals import refusals_explained
    from hvaedsl.report.explain import explanation, index
    from hvaedsl.rules import KINDS

    pages = {f"{kind.code}.md": explanation(kind, _printed(kind)) for kind in KINDS.values()}
    pages["README.md"] = index(KINDS.values())
    with refusals_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
    say(f"{len(pages)} pages in {folder}")


def _write_cells(folder: Path) -> None:
    from hvaedsl.diagnostics.refusals import refusals_explained
    from hvaedsl.ir.cells import CELLS
    from hvaedsl.ir.residual_blocks import BLOCKS
    from hvaedsl.render.cells import cell_dot
    from hvaedsl.render.output import write
    from hvaedsl.report.explain import cells_page

    images = folder / "images" / "cells"
    with refusals_explained(folder):
        images.mkdir(parents=True, exist_ok=True)
        (folder / "cells.md").write_text(cells_page(CELLS.values(), BLOCKS.values()), encoding="utf-8")
    for name in CELLS:
        write(cell_dot(name), images / f"{name}.svg", engine="dot")
    say(f"{folder / 'cells.md'}, and {len(CELLS)} pictures in {images}")


def _printed(kind: type[Diagnostic]) -> str:
    """The output for the wrong example, compiled in a project of its own; empty if there is none."""
    from hvaedsl.diagnostics.span import Source
    from hvaedsl.lint.check import Check
    from hvaedsl.lint.selection import Selection
    from hvaedsl.lint.texts import Texts, place_of
    from hvaedsl.report.full import print_full
    from hvaedsl.report.terminal import text_console

    if not kind.bad:
        return ""
    with TemporaryDirectory() as folder:
        project = Path(folder) / "project"  # its name may be printed
        project.mkdir()
        (project / "pyproject.toml").touch()
        path = project / f"{kind.code}.hvae"
        path.write_text(kind.bad, encoding="utf-8")
        source = Source(path.name, kind.bad, path)
        found = Check(Selection())(Texts({place_of(source): source})).found
    out = io.StringIO()
    print_full(found, text_console(out, width=100))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _explain_cell(name: str | None, out: Path | None) -> None:
    from hvaedsl.diagnostics.diagnostic import did_you_mean
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl.ir.cells import CELLS
    from hvaedsl.report.explain import cell_explanation

    if name is None and out is not None:
        raise UsageError("--out needs the name of a cell: `hvaedsl explain cell NAME --out FILE`")
    if name is None:
        for text in CELLS.values():
            say(f"{text.name:<16}{text.title}")
        return
    found = CELLS.get(name)
    if found is None:
        hint = did_you_mean(name, CELLS) or "`hvaedsl explain cell` lists all cells"
        raise UsageError(f"unknown cell {name}: {hint}")
    print_data(cell_explanation(found))
    if out is not None:
        from hvaedsl.render.cells import cell_dot
        from hvaedsl.render.output import write

        write(cell_dot(found.name), out, engine="dot")
        say(f"written: {out}", err=True)


def _explain_block(name: str | None) -> None:
    from hvaedsl.diagnostics.diagnostic import did_you_mean
    from hvaedsl.diagnostics.errors import UsageError
    from hvaedsl.ir.residual_blocks import BLOCKS
    from hvaedsl.report.explain import block_explanation

    if name is None:
        for text in BLOCKS.values():
            say(f"{text.name:<16}{text.title}")
    elif name in BLOCKS:
        print_data(block_explanation(BLOCKS[name]))
    else:
        hint = did_you_mean(name, BLOCKS) or "`hvaedsl explain block` lists all blocks"
        raise UsageError(f"unknown block {name}: {hint}")
