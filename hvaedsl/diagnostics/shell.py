"""Commands in messages, as a user can paste them into a shell."""

from __future__ import annotations

import shlex
from pathlib import PurePath


def path_word(path: PurePath | str) -> str:
    """A path as one word of a command: quoted, and not to be taken for an option if its name starts with `-`."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def command_line(*words: PurePath | str) -> str:
    """A command of these words; a path among them is a `Path`, everything else a string."""
    return " ".join(path_word(word) if isinstance(word, PurePath) else shlex.quote(word) for word in words)
