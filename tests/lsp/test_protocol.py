"""The server as an editor has it: a process of its own, spoken to over pipes."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.fmt import format_text
from hvaedsl.lsp import lifecycle
from hvaedsl.lsp.lifecycle import exit_with_client
from hvaedsl.report.explain import explanation
from hvaedsl.rules import KINDS
from tests.lsp.client import ServerError
from tests.lsp.conftest import Start
from tests.lsp.texts import GOOD

WHOLE = {"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}}


def place(text: str, what: str) -> tuple[int, int]:
    """Line and UTF-16 column of the first place of some words."""
    before = text[: text.index(what)]
    line = before.rsplit("\n", 1)[-1]
    return before.count("\n"), len(line.encode("utf-16-le")) // 2


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [item["code"] for item in found]


def test_a_session_from_opening_to_the_end(start: Start, spec: str) -> None:
    client = start()
    capabilities = client.server["capabilities"]
    assert client.server["serverInfo"]["name"] == "hvaedsl"
    assert capabilities["executeCommandProvider"]["commands"] == ["hvaedsl.bridge", "hvaedsl.explain"]
    client.open(spec, GOOD)
    assert client.found(spec) == []
    client.change(spec, GOOD.replace("16d4", "16d3"))
    (finding,) = [item for item in client.found(spec) if item["code"] == "HV303"]
    line, column = place(GOOD, "16d4")
    assert finding["range"]["start"] == {"line": line, "character": column + 3}
    assert "help: write `16d4` to reach 4" in finding["message"]
    assert (finding["severity"], finding["source"]) == (1, "hvaedsl")
    client.change(spec, GOOD)
    assert client.found(spec) == []
    said = client.at("hover", spec, *place(GOOD, "4r2@top"))["contents"]["value"]
    assert said.startswith("4r2@top: one top-down block applied 2 times at 4x4")
    code, errors = client.close()
    assert (code, errors.replace(_fontconfig(errors), "")) == (0, "")


def _fontconfig(errors: str) -> str:
    return "".join(line for line in errors.splitlines(True) if "ontconfig" in line)


def test_every_keystroke_of_a_line(start: Start, spec: str) -> None:
    """Each state is diagnosed; none kills the server, and the last one is sound."""
    client = start()
    line = "  encoder = 32x2, 32d2, 2*16r$n, 16d4, 4x1@low  # hvae: ignore[HV513]\n"
    client.open(spec, GOOD.replace(line, ""))
    for end in range(len(line)):
        client.change(spec, GOOD.replace(line, line[:end]))
        client.at("completion", spec, 10, end)
        client.at("hover", spec, 10, end)
    client.change(spec, GOOD.replace("16d4", "16d"))
    assert codes(client.found(spec)) == ["HV113"]
    client.change(spec, GOOD)
    assert client.found(spec) == []


def test_completion_hints_symbols_and_colors(start: Start, spec: str) -> None:
    client = start(snippets=True)
    client.open(spec, GOOD)
    text = GOOD.replace("2*16r$n, 16d4, 4x1@low", "")
    line, column = place(text, "32d2, ")
    client.change(spec, text)
    offered = client.at("completion", spec, line, column + 6)
    assert [item["label"] for item in offered][:4] == ["16x", "16r", "16", "16d2"]
    assert [item["sortText"] for item in offered] == sorted(item["sortText"] for item in offered)
    client.change(spec, GOOD)
    parameters = {"textDocument": {"uri": spec}}
    hints = client.request("textDocument/inlayHint", {**parameters, "range": WHOLE})
    assert [item["label"] for item in hints][:3] == ["→ 16x16", "6 blocks, 3.44 k parameters", "→ 4x4"]
    symbols = client.request("textDocument/documentSymbol", parameters)
    assert [item["name"] for item in symbols] == ["n", "data", "model", "train"]
    colors = client.request("textDocument/semanticTokens/full", parameters)["data"]
    legend = client.server["capabilities"]["semanticTokensProvider"]["legend"]["tokenTypes"]
    assert colors[:5] == [0, 0, 4, legend.index("keyword"), 0]
    assert client.request("textDocument/foldingRange", parameters)[0]["startLine"] == 3


def test_formatting_gives_what_the_command_gives(start: Start, spec: str) -> None:
    client = start()
    ugly = "hvae 1\r\ndata{dataset=digits}\r\n"
    client.open(spec, ugly)
    parameters = {"textDocument": {"uri": spec}, "options": {"tabSize": 2, "insertSpaces": True}}
    (edit,) = client.request("textDocument/formatting", parameters)
    assert edit["newText"] == format_text(ugly)
    assert edit["range"] == {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}
    client.change(spec, edit["newText"])
    assert client.request("textDocument/formatting", parameters) == []
    client.change(spec, "hvae 1\ndata {")
    assert client.request("textDocument/formatting", parameters) is None


def test_a_code_action_mends_the_text(start: Start, spec: str) -> None:
    client = start()
    text = GOOD.replace("4r2@top", "4x2@top")
    client.open(spec, text)
    (finding,) = client.found(spec)
    context = {"diagnostics": [finding]}
    parameters = {"textDocument": {"uri": spec}, "range": finding["range"], "context": context}
    (action,) = client.request("textDocument/codeAction", parameters)
    (edit,) = action["edit"]["changes"][spec]
    assert (action["kind"], edit["newText"], action["diagnostics"][0]["code"]) == ("quickfix", "r", finding["code"])
    elsewhere = {**parameters, "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}}
    assert client.request("textDocument/codeAction", elsewhere) == []


def test_rename_and_its_refusals(start: Start, spec: str) -> None:
    client = start()
    client.open(spec, GOOD)
    line, column = place(GOOD, "r$n")
    assert client.at("prepareRename", spec, line, column + 2)["placeholder"] == "n"
    assert client.at("prepareRename", spec, 0, 0) is None
    edits = client.at("rename", spec, line, column + 2, newName="k")["changes"][spec]
    assert [item["newText"] for item in edits] == ["k"] * 3
    with pytest.raises(ServerError, match="`3` is not a valid name"):
        client.at("rename", spec, line, column + 2, newName="3")
    assert len(client.at("documentHighlight", spec, line, column + 2)) == 3
    assert client.close() == (0, "")  # a refusal is no traceback in the editor's log


def test_edits_name_the_version_that_they_are_meant_for(start: Start, spec: str, tmp_path: Path) -> None:
    base = tmp_path / "base.hvae"
    base.write_text(GOOD)
    client = start(more={"workspace": {"workspaceEdit": {"documentChanges": True}}})
    client.open(spec, 'hvae 1\nextends "base.hvae"\nlet n = 3\n')
    client.change(spec, 'hvae 1\nextends "base.hvae"\nlet n = 4\n')
    changes = client.at("rename", spec, 2, 4, newName="k")["documentChanges"]
    versions = {item["textDocument"]["uri"]: item["textDocument"]["version"] for item in changes}
    assert versions == {spec: 2, base.as_uri(): None}
    client.change(spec, GOOD.replace("4r2@top", "4x2@top"))
    parameters = {"textDocument": {"uri": spec}, "range": WHOLE, "context": {"diagnostics": []}}
    for action in client.request("textDocument/codeAction", parameters):
        (change,) = action["edit"]["documentChanges"]
        assert change["textDocument"] == {"uri": spec, "version": 3}


def test_a_hover_is_in_the_format_that_the_client_knows(start: Start, spec: str) -> None:
    for formats, kind in ((["markdown", "plaintext"], "markdown"), (["plaintext"], "plaintext"), ([], "plaintext")):
        client = start(more={"textDocument": {"hover": {"contentFormat": formats}}})
        client.open(spec, GOOD)
        assert client.at("hover", spec, *place(GOOD, "32d2"))["contents"]["kind"] == kind


def test_an_outline_without_a_hierarchy(start: Start, spec: str) -> None:
    client = start(more={"textDocument": {}})
    client.open(spec, GOOD)
    symbols = client.request("textDocument/documentSymbol", {"textDocument": {"uri": spec}})
    found = [(item["name"], item.get("containerName")) for item in symbols]
    assert found[:4] == [("n", None), ("data", None), ("dataset", "data"), ("model", None)]
    assert ("free_nats", "kl") in found
    assert symbols[0]["location"]["range"]["start"] == {"line": 1, "character": 0}


def test_files_are_watched_where_the_client_can(start: Start, spec: str, tmp_path: Path) -> None:
    """A base that is written by another program."""
    base = tmp_path / "base.hvae"
    client = start(more={"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}})
    client.open(spec, 'hvae 1\nextends "base.hvae"\n')
    assert codes(client.found(spec)) == ["HV210"]
    assert client.asked == ["client/registerCapability"]
    for text, expected in ((GOOD, []), (GOOD.replace("16d4", "16d3"), ["HV303"]), (None, ["HV210"])):
        base.unlink() if text is None else base.write_text(text)
        changes = [{"uri": base.as_uri(), "type": 2}]
        client.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        assert codes(client.found(spec, again=True))[: len(expected) or None] == expected


def test_the_order_of_a_session(start: Start, spec: str) -> None:
    """Requests that are out of order are refused with the codes of the specification, and nothing is logged."""
    client = start(initialized=False)

    def refused(method: str, parameters: dict[str, Any]) -> int:
        return int(client.answer(client.send(method, parameters))["error"]["code"])

    place = {"textDocument": {"uri": spec}, "position": {"line": 0, "character": 0}}
    client.open(spec, GOOD)  # a notification is dropped
    assert refused("textDocument/hover", place) == -32002
    assert refused("shutdown", {}) == -32002
    client.initialize()
    assert refused("initialize", {"processId": None, "rootUri": None, "capabilities": {}}) == -32600
    client.open(spec, GOOD)
    assert client.found(spec) == []

    assert client.request("shutdown") is None
    assert refused("textDocument/hover", place) == -32600
    assert refused("shutdown", {}) == -32600
    client.change(spec, "hvae 1")
    client.notify("exit", {})
    assert client.process.wait(60) == 0
    assert client.errors == ""


def test_leaving_without_shutting_down_is_an_error(start: Start) -> None:
    client = start()
    client.notify("exit", {})
    assert client.process.wait(60) == 1


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "untitled:my spec ü", "file:///a%00b.hvae", ""])
def test_a_text_needs_no_file(start: Start, uri: str) -> None:
    client = start()
    client.open(uri, GOOD.replace("16d4", "16d3"))
    assert "HV303" in codes(client.found(uri))
    assert client.at("rename", uri, 1, 4, newName="k")["changes"].keys() == {uri}


@pytest.mark.parametrize(("encodings", "chosen", "column"), [
    (None, "utf-16", 17), (["utf-8"], "utf-8", 19), (["utf-32", "utf-16"], "utf-32", 16),
])  # fmt: skip
def test_columns_are_in_the_agreed_encoding(
    start: Start, spec: str, encodings: list[str] | None, chosen: str, column: int
) -> None:
    client = start(encodings=encodings)
    assert client.server["capabilities"]["positionEncoding"] == chosen
    text = '# a duck\r\nhvae 1\r\npaper{table="🦆" nosuchkey = 1 }\r\n'
    client.open(spec, text + GOOD.replace("hvae 1\n", "").replace("\n", "\r\n"))
    (finding,) = [item for item in client.found(spec) if "nosuchkey" in item["message"]]
    assert finding["range"]["start"] == {"line": 2, "character": column}
    assert finding["range"]["end"] == {"line": 2, "character": column + 9}


def test_an_unsaved_base_counts(start: Start, tmp_path: Path) -> None:
    base, child = tmp_path / "base.hvae", tmp_path / "child.hvae"
    base.write_text(GOOD)
    client = start()
    text = 'hvae 1\nextends "base.hvae"\n'
    client.open(child.as_uri(), text)
    assert client.found(child.as_uri()) == []
    client.open(base.as_uri(), GOOD)
    client.found(child.as_uri(), again=True)
    client.change(base.as_uri(), GOOD.replace("16d4", "16d3"))
    found = client.found(child.as_uri(), again=True)
    assert "HV303" in codes(found)
    assert found[0]["range"]["start"]["line"] == 1  # at `extends`
    assert found[0]["relatedInformation"][0]["location"]["uri"] == base.as_uri()
    client.notify("textDocument/didClose", {"textDocument": {"uri": base.as_uri()}})  # the file counts again
    while client.found(child.as_uri(), again=True):
        pass


def test_a_definition_leads_to_the_shipped_base(start: Start, spec: str) -> None:
    client = start()
    client.open(spec, 'hvae 1\nextends "vdvae.hvae"\n')
    found = client.at("definition", spec, 1, 12)
    assert re.search(r"/specs/vdvae\.hvae$", found["uri"])


def test_the_picture_comes_as_svg(start: Start, spec: str) -> None:
    client = start()
    client.open(spec, GOOD)
    view = client.request("workspace/executeCommand", {"command": "hvaedsl.bridge", "arguments": [spec]})
    assert "<svg" in view["svg"]
    assert view["current"] is True
    missing = client.request("workspace/executeCommand", {"command": "hvaedsl.bridge", "arguments": [spec + "x"]})
    assert (missing["svg"], missing["message"]) == (None, "this text is not open, and there is no such file")


def test_a_code_is_explained(start: Start) -> None:
    client = start()
    page = client.request("workspace/executeCommand", {"command": "hvaedsl.explain", "arguments": ["HV303"]})
    assert page == explanation(KINDS["HV303"])
    with pytest.raises(ServerError, match="`HV999` is not a diagnostic code of hvaedsl"):
        client.request("workspace/executeCommand", {"command": "hvaedsl.explain", "arguments": ["HV999"]})


def test_the_server_ends_with_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if its standard input stays open. A process that is not there to begin with is not watched."""
    codes: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr(lifecycle, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(os, "_exit", codes.put)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as client:
        exit_with_client(client.pid)
        assert codes.empty()
    assert codes.get(timeout=60) == 1

    threads = threading.active_count()
    for unknown in (None, client.pid, 1 << 40):
        exit_with_client(unknown)
    assert threading.active_count() <= threads


def test_the_clients_process_may_be_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification recommends it; editors pass it beside `--stdio`."""
    served: list[object] = []

    def serve(*given: object) -> int:
        served.extend(given)
        return 0

    monkeypatch.setattr("hvaedsl.lsp.server.serve", serve)
    done = CliRunner().invoke(app, ["lsp", "--stdio", "--clientProcessId=123"])
    assert (done.exit_code, served[1:]) == (0, [123])
    assert "clientProcessId" not in CliRunner().invoke(app, ["lsp", "--help"]).output


def test_nothing_but_the_protocol_stands_on_standard_output(tmp_path: Path) -> None:
    """A library that prints does not break the stream."""
    code = (
        "import os, hvaedsl.lsp.server as server\n"
        "make = server.make_server\n"
        "def loud(version):\n    print('printed'); os.write(1, b'written'); return make(version)\n"
        "server.make_server = loud\n"
        "server.serve('0')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, timeout=60, check=False)
    assert done.stdout == b""
    assert b"written" in done.stderr
    assert done.returncode == 0


def test_the_server_imports_no_torch(tmp_path: Path) -> None:
    code = "import sys, hvaedsl.lsp.server; print({'torch', 'numpy', 'hvaedsl_runtime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import importlib.util, hvaedsl.cli.extras as extras\n"
        "found = importlib.util.find_spec\n"
        "extras.find_spec = lambda name: None if name == 'pygls' else found(name)\n"
        "import sys; sys.argv = ['hvaedsl', 'lsp']\n"
        "from hvaedsl.cli.main import run; run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "pip install 'hvaedsl[lsp]'" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", ""])
def test_another_uri_of_a_file_is_the_same_file(start: Start, tmp_path: Path, host: str) -> None:
    """Its unsaved text counts: as a base, and for a request that names it otherwise."""
    base, child = tmp_path / "base file.hvae", tmp_path / "child.hvae"
    base.write_text("hvae 1\n")
    path = str(base) if not host else base.as_uri().removeprefix("file://")
    uri = f"file://{host}{path}"
    assert uri != base.as_uri()
    client = start()
    client.open(uri, GOOD)
    assert client.found(uri) == []
    client.open(child.as_uri(), 'hvae 1\nextends "base file.hvae"\n')
    assert client.found(child.as_uri()) == []
    assert client.at("hover", base.as_uri(), *place(GOOD, "4r2@top"))["contents"]["value"].startswith("4r2@top: ")
    assert client.at("definition", child.as_uri(), 1, 12)["uri"] == uri
