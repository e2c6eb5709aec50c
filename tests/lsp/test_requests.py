"""Requests about names, ranges, links and refactorings, over the protocol."""

from __future__ import annotations

from pathlib import Path

from tests.lsp.conftest import Start
from tests.lsp.test_protocol import place
from tests.lsp.texts_of_lists import BASE, LISTS


def test_names_links_and_selections(start: Start, spec: str, tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(BASE)
    client = start()
    client.open(spec, LISTS)
    document = {"textDocument": {"uri": spec}}
    line, character = place(LISTS, "$stage, 16d4")
    context = {"context": {"includeDeclaration": True}}
    found = client.at("references", spec, line, character + 2, **context)
    assert [item["range"]["start"]["line"] for item in found] == [3, 4, 8]
    base = (tmp_path / "base.hvae").as_uri()
    line, character = place(LISTS, "$n")
    found = client.at("references", spec, line, character + 1, **context)
    assert {item["uri"] for item in found} == {spec, base}

    assert [item["target"] for item in client.request("textDocument/documentLink", document)] == [base]
    symbols = client.request("workspace/symbol", {"query": "st"})
    assert [(item["name"], item["containerName"]) for item in symbols] == [("stage", "spec.hvae")]
    symbols = client.request("workspace/symbol", {"query": "n"})
    assert [(item["name"], item["containerName"]) for item in symbols] == [("n", "base.hvae")]  # which is not open
    (selected,) = client.request(
        "textDocument/selectionRange", {**document, "positions": [{"line": 3, "character": 1}]}
    )
    assert selected["range"] == {"start": {"line": 3, "character": 0}, "end": {"line": 3, "character": 3}}


def test_the_format_of_a_range(start: Start, spec: str, tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(BASE)
    client = start()
    client.open(spec, LISTS)
    document = {"textDocument": {"uri": spec}}
    options = {"options": {"tabSize": 2, "insertSpaces": True}}
    ugly = LISTS.replace("let m     = 2", "let  m=2").replace("let both  =", "let  both  =")
    client.change(spec, ugly)
    line, _ = place(ugly, "let  m")
    where = {"range": {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 5}}}
    edits = client.request("textDocument/rangeFormatting", {**document, **where, **options})
    assert {edit["range"]["start"]["line"] for edit in edits} == {line}
    client.change(spec, "hvae 1\nmodel { width = }\n")
    assert client.request("textDocument/rangeFormatting", {**document, **where, **options}) is None


def test_a_refactoring_is_an_action_of_its_kind(start: Start, spec: str, tmp_path: Path) -> None:
    (tmp_path / "base.hvae").write_text(BASE)
    client = start()
    client.open(spec, LISTS)
    document = {"textDocument": {"uri": spec}}
    line, character = place(LISTS, "$stage, 16d4")
    where = {
        "range": {"start": {"line": line, "character": character}, "end": {"line": line, "character": character + 12}}
    }
    only = {"context": {"diagnostics": [], "only": ["refactor.extract"]}}
    (action,) = client.request("textDocument/codeAction", {**document, **where, **only})
    assert (action["title"], action["kind"]) == ("extract `$stage, 16d4` into the list `$stage2`", "refactor.extract")
    (changes,) = action["edit"]["changes"].values()
    assert "let stage2 = ($stage, 16d4)" in "".join(change["newText"] for change in changes)
