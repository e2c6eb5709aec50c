"""The extension for VS Code: its manifest, its grammar held against the server's colors, and the page of a picture."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol.types import SemanticTokenTypes

from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.lsp.semantic_tokens import LIST, TYPES, colored_ranges
from hvaedsl.lsp.workspace_requests import BRIDGE, EXPLAIN
from hvaedsl.shipped import shipped
from tests.lsp.texts import GOOD, analyzed
from tests.lsp.texts_of_lists import LISTS

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"
GRAMMAR: dict[str, Any] = json.loads((FOLDER / "syntaxes" / "hvae.tmLanguage.json").read_text(encoding="utf-8"))
PATTERNS = [(re.compile(pattern["match"]), pattern) for pattern in GRAMMAR["patterns"]]
KINDS = SemanticTokenTypes
# The scopes that stand for the kinds of the server. The grammar reads one line and cannot tell a call's argument.
SCOPES = {
    KINDS.Keyword: ("keyword.control",),
    KINDS.Namespace: ("entity.name.namespace",),
    KINDS.Property: ("variable.other.property",),
    KINDS.Variable: ("variable.other.constant",),
    KINDS.Parameter: ("variable.other.property",),
    KINDS.Function: ("entity.name.function",),
    KINDS.EnumMember: ("variable.other.enummember",),
    KINDS.Decorator: ("entity.name.type.label",),
    KINDS.Number: ("constant.numeric",),
    KINDS.String: ("string.quoted",),
    KINDS.Operator: ("keyword.operator",),
    KINDS.Macro: ("variable.language",),
    KINDS.Comment: ("comment.line",),
}


def scoped(line: str) -> Iterator[tuple[int, int, str]]:
    """The scopes of one line, as TextMate finds them: the leftmost match, of several the first pattern's."""
    at = 0
    while at < len(line):
        found = [(match, pattern) for regex, pattern in PATTERNS if (match := regex.search(line, at))]
        if not found:
            return
        match, pattern = min(found, key=lambda item: item[0].start())
        if "name" in pattern:
            yield match.start(), match.end(), pattern["name"]
        for group, capture in pattern.get("captures", {}).items():
            if match[int(group)]:
                yield *match.span(int(group)), capture["name"]
        at = max(match.end(), at + 1)


def files() -> list[Path]:
    return sorted(shipped("specs").rglob("*.hvae"))


# A named list over several lines, blocks with expressions, signs and exponents.
SEVERAL_LINES = """\
hvae 1
let stage = (
  32r($n - 1)@a,  # the first
  2*(16x2, $top,
     4r(-2*-$n/3 + 1)), $basement
)
let n = -8 + 1_000/2
model { encoder = $base, 2*$base, $stage  bottleneck = 1e-3  latent = -(1k) }
"""


@pytest.mark.parametrize("text", [GOOD, LISTS, SEVERAL_LINES, *(path.read_text(encoding="utf-8") for path in files())])
def test_the_grammar_colors_as_the_server_does(text: str) -> None:
    found = analyzed(text)
    offset = 0
    by_grammar: dict[tuple[int, int], str] = {}
    for line in text.split("\n"):
        by_grammar |= {(offset + start, offset + end): scope for start, end, scope in scoped(line)}
        offset += len(line) + 1
    for item in colored_ranges(found):
        scope = by_grammar.get((item.start, item.end), "")
        assert scope.startswith(SCOPES[item.kind]), (text[item.start : item.end], item.kind, scope)


def test_a_color_stays_when_the_server_speaks_up() -> None:
    """The manifest gives the server's kinds the scopes of the grammar."""
    manifest = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    (entry,) = manifest["contributes"]["semanticTokenScopes"]
    assert set(entry["scopes"]) == {kind.value for kind in TYPES}
    assert [item["id"] for item in manifest["contributes"]["semanticTokenModifiers"]] == [
        LIST
    ]  # the others are standard
    for kind, (scope,) in entry["scopes"].items():
        assert scope.startswith(SCOPES[KINDS(kind)])


def test_no_key_of_the_schema_is_written_into_the_grammar() -> None:
    words = {word for pattern in GRAMMAR["patterns"] for word in re.findall(r"[a-z_]{3,}", pattern["match"])}
    assert words == {"hvae", "extends", "let", "base"}
    assert not words & {name for known in SCHEMA.values() for name in known}


def test_the_manifest_fits_its_files() -> None:
    manifest = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    contributes = manifest["contributes"]
    assert (FOLDER / manifest["main"]).is_file()
    assert (FOLDER / contributes["grammars"][0]["path"]).is_file()
    assert (FOLDER / contributes["languages"][0]["configuration"]).is_file()
    assert contributes["grammars"][0]["scopeName"] == GRAMMAR["scopeName"]
    assert contributes["languages"][0]["extensions"] == [".hvae"]
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "src").glob("*.js")))
    assert f'"{BRIDGE}"' in code
    assert f'"{EXPLAIN}"' in code
    for command in contributes["commands"]:
        assert f'registerCommand("{command["command"]}"' in code
    versions = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    json.loads((FOLDER / "language-configuration.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_the_page_shows_the_picture_and_the_message_as_text() -> None:
    code = (
        "const { page } = require('./src/page.js');"
        "process.stdout.write(page({ svg: '<?xml version=\"1.0\"?>\\n<svg>x</svg>', message: 'a <b> & c' }));"
    )
    done = subprocess.run(["node", "-e", code], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=True)
    assert "a &#60;b&#62; &#38; c</p><svg>x</svg></body>" in done.stdout
    assert "<?xml" not in done.stdout
    assert "default-src 'none'" in done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_servers_start_stop_and_fail_as_the_settings_ask() -> None:
    tests = Path(__file__).parent / "servers.test.js"
    done = subprocess.run(["node", "--test", tests], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
