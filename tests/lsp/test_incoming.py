"""Messages that are malformed, or about a text that is not open: answered or ignored, and the server lives on."""

from __future__ import annotations

import json
from typing import Any

from tests.lsp.client import Client
from tests.lsp.conftest import Start
from tests.lsp.texts import GOOD

URI = "file:///nowhere/a.hvae"
TEXT = {"textDocument": {"uri": URI}}
COMMAND = "workspace/executeCommand"


def put(client: Client, content: bytes, header: str = "Content-Length: ") -> None:
    """Send bytes as they are."""
    assert client.process.stdin is not None
    client.process.stdin.write(f"{header}{len(content)}\r\n\r\n".encode() + content)
    client.process.stdin.flush()


def shown(client: Client) -> list[str]:
    """The messages to the user until the server answers a request."""
    said: list[str] = []
    number = client.send("textDocument/hover", {**TEXT, "position": {"line": 0, "character": 0}})
    while (message := client._next()).get("id") != number:
        if message.get("method") == "window/showMessage":
            said.append(message["params"]["message"])
    assert "error" not in message
    return said


def test_malformed_parameters_are_answered_and_the_server_lives_on(start: Start, spec: str) -> None:
    client = start()
    wrong: list[tuple[str, Any]] = [
        ("textDocument/hover", TEXT),
        ("textDocument/hover", None),
        ("textDocument/hover", []),
        ("textDocument/hover", {**TEXT, "position": {"line": -1, "character": 0}}),
        ("textDocument/completion", {**TEXT, "position": {"line": "one", "character": 0}}),
        ("textDocument/formatting", {}),
        (COMMAND, {"command": "hvaedsl.bridge"}),
        (COMMAND, {"command": "hvaedsl.bridge", "arguments": [5]}),
        (COMMAND, {"command": "hvaedsl.explain", "arguments": ["HV303", "HV304"]}),
    ]
    for method, parameters in wrong:
        error = client.answer(client.send(method, parameters))["error"]
        assert error["code"] == -32602, (method, parameters)
    error = client.answer(client.send("textDocument/hover", TEXT))["error"]
    assert error["message"] == "textDocument/hover: required field missing @ $.params.position"
    assert shown(client) == []
    client.open(spec, GOOD)
    assert client.found(spec) == []
    assert client.close() == (0, "")


def test_a_malformed_initialize_is_answered_too(start: Start) -> None:
    client = start(initialized=False)
    assert client.answer(client.send("initialize", {"processId": "x"}))["error"]["code"] == -32602
    assert client.answer(client.send("textDocument/hover", TEXT))["error"]["code"] == -32002
    client.initialize()
    assert client.close() == (0, "")


def test_another_protocol_is_refused(start: Start) -> None:
    client = start()
    contents: list[dict[str, Any]] = [
        {"id": 70, "method": "shutdown"},
        {"id": 71, "jsonrpc": "1.0", "method": "shutdown"},
        {"id": 72, "jsonrpc": "2.0"},
    ]
    for content in contents:
        put(client, json.dumps(content).encode())
        assert client.answer(content["id"])["error"]["code"] == -32600, content
    assert client.close() == (0, "")


def test_a_content_that_is_not_json_is_refused(start: Start) -> None:
    client = start()
    for content in (b'{"id": 70, ', b"\xff"):
        put(client, content)
        while "error" not in (message := client._next()):
            pass
        assert (message["error"]["code"], message.get("id")) == (-32700, None), content
        assert shown(client) == [], content
    assert client.close() == (0, "")


def test_a_text_that_is_not_open_is_no_error_to_the_user(start: Start) -> None:
    client = start()
    for uri in (URI, "file:///nowhere/%C3%BC.hvae", "untitled:x", "file:///a%00b.hvae", "", "http://x"):
        version = {"textDocument": {"uri": uri, "version": 1}}
        client.notify("textDocument/didChange", {**version, "contentChanges": [{"text": "hvae 1"}]})
        client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert shown(client) == [], uri
    assert client.close() == (0, "")


def test_a_text_whose_uri_is_escaped_is_open(start: Start) -> None:
    client = start()
    client.open("file:///nowhere/%C3%BC.hvae", "hvae 1")
    client.change("file:///nowhere/%C3%BC.hvae", GOOD)
    assert client.found("file:///nowhere/%C3%BC.hvae") == []


def test_a_malformed_notification_is_logged(start: Start) -> None:
    client = start()
    client.notify("textDocument/didOpen", {"textDocument": {"uri": URI}})
    put(client, b"[]")
    assert shown(client) == []
    code, errors = client.close()
    assert code == 0
    assert errors.startswith(
        "ignored: textDocument/didOpen: required field missing @ $.params.text_document.language_id"
    )
    assert len(errors.splitlines()) == 2


def test_header_names_have_any_case(start: Start) -> None:
    client = start()
    for number, header in enumerate(("content-length: ", "CONTENT-LENGTH:", "Content-length:   "), start=70):
        request = {"jsonrpc": "2.0", "id": number, "method": COMMAND, "params": {"command": "none"}}
        put(client, json.dumps(request).encode(), header)
        assert "is not defined" in client.answer(number)["error"]["message"], header
