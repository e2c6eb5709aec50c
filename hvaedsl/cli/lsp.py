"""`hvaedsl lsp`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hvaedsl.cli.extras import require_lsp


def lsp(
    stdio: Annotated[  # noqa: ARG001 - what editors pass
        bool, typer.Option("--stdio", help="Speak on standard input and output: the only way, and the default.")
    ] = True,
) -> None:
    """The language server, which an editor starts: it needs the extra `lsp`, and no torch.

    Set-up for VS Code, Neovim and Helix: docs/editors.md.

    Example: [bold]hvaedsl lsp[/]
    """
    require_lsp()
    from hvaedsl import __version__
    from hvaedsl.lsp.server import serve

    if sys.stdin.isatty():
        typer.echo("hvaedsl lsp speaks the Language Server Protocol with an editor: see docs/editors.md", err=True)
    raise typer.Exit(serve(__version__))
