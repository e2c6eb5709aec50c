"""Start the command line; if a file hides a module that it imports, say so in one sentence."""

from __future__ import annotations

import sys

from hvaedsl.cli.hidden_modules import WAY_OUT, hides_text, hiding


def run(program: str = "hvaedsl") -> None:
    """Run the command line, called `program` in usage texts."""
    try:
        from hvaedsl.cli.main import run as run_commands
    except Exception as error:
        found = hiding(error)
        if found is None:
            raise
        # The streams print other messages, but importing them may be what fails.
        file, name = found
        shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in file)
        print(f"error: {hides_text(shown, name)}\n  help: {WAY_OUT}", file=sys.stderr)
        sys.exit(2)
    run_commands(program)
