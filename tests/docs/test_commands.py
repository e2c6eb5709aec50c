"""The commands in the code blocks of the documentation have the arguments that they need."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from hvaedsl.cli.main import app

ROOT = Path(__file__).parents[2]
GROUP = typer.main.get_command(app)
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# A command at the start of a line that is not part of a drawing, up to a remark after spaces, a pipe or a redirection.
TYPED = re.compile(r"^ *hvaedsl (?!.*─)([!-~]+(?: [!-~]+)*)", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    found = set()
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for words in TYPED.findall(re.sub(r"\\\n *", "", block)):
                found.add((page.name, re.split(r" [#|>] ", words)[0]))
    return sorted(item for item in found if "[" not in item[1])  # not those that show what may be left out


@pytest.mark.parametrize(("page", "words"), commands())
def test_its_arguments_are_complete(page: str, words: str) -> None:
    name, *arguments = shlex.split(words)
    assert isinstance(GROUP, TyperGroup)
    assert name in GROUP.commands, page
    GROUP.commands[name].make_context(name, arguments)
