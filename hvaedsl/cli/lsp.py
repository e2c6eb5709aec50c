"""`hvaedsl lsp`: start the language server for an editor."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hvaedsl.cli.extras import require_lsp
from hvaedsl.diagnostics.streams import is_terminal, say
from hvaedsl.syntax.text import require_stdin


def lsp(
    stdio: Annotated[  # noqa: ARG001 - editors pass it
        bool, typer.Option("--stdio", show_default=False, help="Use standard input and output, the only transport.")
    ] = True,
    client: Annotated[
        int | None, typer.Option("--clientProcessId", hidden=True, help="Process of the editor, as editors pass it.")
    ] = None,
) -> None:
    """Start the language server for an editor. It needs the extra `lsp`, but no torch.

    Setup for VS Code, Neovim and Helix is described in docs/editors.md.

    Example: [bold]hvaedsl lsp[/]
    """
    require_lsp()
    require_stdin("an editor starts the server with a pipe; see docs/editors.md")
    from hvaedsl import __version__
    from hvaedsl.lsp.server import serve

    if is_terminal(sys.stdin):
        say(
            "hvaedsl lsp is started by an editor and speaks the Language Server Protocol; see docs/editors.md", err=True
        )
    raise typer.Exit(serve(__version__, client))
