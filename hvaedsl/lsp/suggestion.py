"""A completion, before it is converted for the protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsprotocol.types import CompletionItemKind


@dataclass(frozen=True)
class Suggestion:
    """What a list of completions shows, and what is inserted when it is accepted."""

    label: str
    detail: str
    kind: CompletionItemKind
    about: str = ""
    plain: str = ""  # inserted text; the label if empty
    snippet: str = ""  # the same for clients that support snippets

    def __post_init__(self) -> None:
        """Fill in the omitted fields.

        A text with a space becomes a snippet: of plain text, Neovim 0.11 inserts only the part before the first space.
        """
        if not self.plain:
            object.__setattr__(self, "plain", self.label)
        if not self.snippet:
            object.__setattr__(self, "snippet", f"{_escaped(self.plain)}$0" if " " in self.plain else self.plain)


def _escaped(text: str) -> str:
    """Escape a text so that a snippet inserts it literally."""
    return re.sub(r"[\\$}]", r"\\\g<0>", text)
