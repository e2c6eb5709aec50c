"""Names and hover in a base and a spec that extends it, as a client sees them over the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lsp.client import Client, ServerError
from tests.lsp.conftest import Start
from tests.lsp.test_protocol import place

BASE = """\
hvae 1
let k = 2
let n = 2
let stage = (8r2, 8x$n)
data { dataset = cifar10 }
model {
  width = 16
  latent = 4
  encoder = 32x1, 32d4, 8x1, 8d8, 1x1
  decoder = 1x1, 8m1, 8x$k
}
"""
CHILD = """\
hvae 1
extends "b.hvae"
let m = 3*$n
model {
  encoder = $base, 1x$m
  decoder = $base, $stage, 32m8
}
"""


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("old", ["let k", "let stage"])
def test_a_name_that_only_the_child_has_is_taken(start: Start, tmp_path: Path, old: str, is_open: bool) -> None:
    client, base, child = begin(start, tmp_path)
    client.open(base, BASE)
    if is_open:
        client.open(child, CHILD)
    line, column = place(BASE, old)
    with pytest.raises(ServerError, match=r"`\$m` already exists in c\.hvae; choose another name"):
        client.at("rename", base, line, column + 4, newName="m")
    assert client.at("rename", base, line, column + 4, newName="q")


def test_the_list_of_the_base_cannot_be_renamed(start: Start, tmp_path: Path) -> None:
    client, _, child = begin(start, tmp_path)
    client.open(child, CHILD)
    line, column = place(CHILD, "$base, 1x")
    for offset in range(5):
        assert client.at("prepareRename", child, line, column + offset) is None
        with pytest.raises(ServerError, match=r"`\$base` is the list of the base"):
            client.at("rename", child, line, column + offset, newName="q")


@pytest.mark.parametrize("is_open", [False, True])
def test_hover_and_completion_have_values_before_and_after_compiling(
    start: Start, tmp_path: Path, is_open: bool
) -> None:
    client, base, child = begin(start, tmp_path)
    if is_open:
        client.open(base, BASE)
    client.open(child, CHILD)
    expect(client, child, CHILD, stage="8r2, 8x2", m="6")
    assert client.found(child) == []
    expect(client, child, CHILD, stage="8r2, 8x2", m="6")

    # Right after an edit of the child and of the base, and while a line of the child is half written.
    edited = CHILD.replace("let m", "let n = 3\nlet m")
    client.change(child, edited)
    expect(client, child, edited, stage="8r2, 8x3", m="9")
    client.change(child, CHILD.replace("32m8", "32m"))
    expect(client, child, CHILD, stage="8r2, 8x2", m="6")
    client.change(child, CHILD)
    if is_open:
        client.change(base, BASE.replace("n = 2", "n = 4"))
        expect(client, child, CHILD, stage="8r2, 8x4", m="12")


def expect(client: Client, uri: str, text: str, *, stage: str, m: str) -> None:
    """Compare what hover and completion say of the base's list, of a list and of a number."""

    def said(part: str) -> str:
        line, column = place(text, part)
        value: str = client.at("hover", uri, line, column + 1)["contents"]["value"]
        assert "a count is 0" not in value
        return value

    assert "32x1, 32d4, 8x1, 8d8, 1x1" in said("$base, 1x")
    assert stage in said("$stage")
    assert f"3*$n = {m}, a number" in said("m = 3").replace("`", "")
    line, column = place(text, "$stage")
    offered = client.at("completion", uri, line, column + 1)
    details = {item["label"]: item.get("detail") for item in offered}
    assert (details["$m"], details["$stage"]) == (f"{m} = 3*$n", f"{stage}, from b.hvae")


def begin(start: Start, folder: Path) -> tuple[Client, str, str]:
    """A client on a folder with both files, and their URIs."""
    (folder / "b.hvae").write_text(BASE)
    (folder / "c.hvae").write_text(CHILD)
    return start(), (folder / "b.hvae").as_uri(), (folder / "c.hvae").as_uri()
