"""One completion before it has a place in a text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsprotocol.types import CompletionItemKind


@dataclass(frozen=True)
class Offer:
    """What a list of completions shows, and what is written when it is taken."""

    label: str
    detail: str
    kind: CompletionItemKind
    about: str = ""
    plain: str = ""  # what is written; the label where nothing else is said
    snippet: str = ""  # the same for clients that know snippets

    def __post_init__(self) -> None:
        """Fill in what is left out.

        What holds a space is a snippet too: of other texts Neovim 0.11 writes only what stands before the first space.
        """
        if not self.plain:
            object.__setattr__(self, "plain", self.label)
        if not self.snippet:
            object.__setattr__(self, "snippet", f"{_escaped(self.plain)}$0" if " " in self.plain else self.plain)


def _escaped(text: str) -> str:
    """A text as a snippet that writes just it."""
    return re.sub(r"[\\$}]", r"\\\g<0>", text)
