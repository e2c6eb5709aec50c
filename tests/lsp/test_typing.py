"""Somebody types fast, undoes and saves, and the editor asks meanwhile: in the end the server says what is so."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from hvaedsl.lsp.analyzed import compiled
from hvaedsl.lsp.findings import worth_showing
from hvaedsl.lsp.open_documents import OpenDocuments
from tests.lsp.client import Client
from tests.lsp.conftest import Start
from tests.lsp.texts import GOOD

PIECES = ["16x2, ", "$n", "@g", "{", "}", "🦆", "# x", "\r\n", "\n", "8", "d2", ",", "(", ")", '"', "let k = 2\n", "é"]
WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}
CANCELLED, REFUSED = -32800, -32602


def typed(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    if rng.random() < 0.3:
        return text[:at] + text[at + rng.randrange(1, 6) :]
    return text[:at] + rng.choice(PIECES) + text[at:]


def asked(uri: str, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Some request about some place."""
    place = {"position": {"line": rng.randrange(20), "character": rng.randrange(40)}}
    requests: list[tuple[str, dict[str, Any]]] = [
        ("hover", place), ("completion", place), ("definition", place), ("documentHighlight", place),
        ("documentSymbol", {}), ("foldingRange", {}), ("semanticTokens/full", {}), ("inlayHint", {"range": WHOLE}),
        ("codeAction", {"range": WHOLE, "context": {"diagnostics": []}}), ("rename", {**place, "newName": "zz"}),
        ("formatting", {"options": {"tabSize": 2, "insertSpaces": True}}),
    ]  # fmt: skip
    method, more = rng.choice(requests)
    return f"textDocument/{method}", {"textDocument": {"uri": uri}, **more}


def burst(client: Client, uri: str, seen: list[str], rng: random.Random) -> None:
    """Some changes, with requests between them that nobody waits for, and some of which are taken back."""
    sent = []
    for _ in range(rng.choice([1, 3, 15])):
        undo = rng.random() < 0.3
        seen.append(rng.choice(seen) if undo else typed(seen[-1], rng))
        client.change(uri, seen[-1])
        sent.append(client.send(*asked(uri, rng)))
        if rng.random() < 0.3:
            client.notify("$/cancelRequest", {"id": sent[-1]})
    for error in [client.answer(number).get("error") for number in sent]:
        assert error is None or error["code"] in (CANCELLED, REFUSED), error


@pytest.mark.parametrize(("seed", "encoding"), [(1, "utf-8"), (2, "utf-16"), (3, "utf-32")])
def test_what_is_published_in_the_end_is_what_is_found(start: Start, tmp_path: Path, seed: int, encoding: str) -> None:
    rng = random.Random(seed)
    base, child = tmp_path / "base.hvae", tmp_path / "child ü.hvae"
    base.write_text(GOOD)
    client = start(encodings=[encoding])
    texts = {base.as_uri(): [GOOD], child.as_uri(): ['hvae 1\nextends "base.hvae"\nlet n = 4\n']}
    for uri, seen in texts.items():
        client.open(uri, seen[-1])
    for _ in range(25):
        uri, seen = rng.choice(list(texts.items()))
        burst(client, uri, seen, rng)
        if rng.random() < 0.2:
            client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        if rng.random() < 0.2:
            client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            client.open(uri, seen[-1])
    documents = OpenDocuments()
    for uri, seen in texts.items():
        documents.put(uri, seen[-1])
    for uri, seen in texts.items():  # the base first: the child's last diagnostics know of it
        client.change(uri, seen[-1])
        found = documents.known(uri)
        assert found is not None
        assert [item["code"] for item in client.found(uri)] == [item.code for item in worth_showing(compiled(found))]
    assert client.close() == (0, "")
