"""Fresh servers, for comparison: each opens some texts, answers one request and ends.

Starting Python and importing the server takes most of the time of a server that answers one request. So one process
imports everything, and is copied for each request before it has read any text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measurement import ROOT

_KEPT: list[Any] = []  # pipes, which a server that is cut off would complain about


class FreshServers:
    """Answers of fresh servers of a checkout. The folder of the texts has the same files as the texts that are open."""

    def __init__(self, root: Path) -> None:
        paths = [str(root), str(root / "runtime"), str(ROOT)]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            text=True,
        )

    def answer(
        self, method: str, texts: Mapping[str, str], file: str, parameters: Mapping[str, Any]
    ) -> tuple[Any, bool]:
        """The answer of a fresh server, and whether the text of the file or of a base does not parse."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"method": method, "texts": dict(texts), "file": file, "parameters": dict(parameters)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer, is_damaged = json.loads(self._process.stdout.readline())
        return answer, is_damaged

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve() -> None:
    """Read requests, and answer each in a process of its own."""
    import hvaedsl.lsp.server  # imported once, before the copies

    assert hvaedsl.lsp.server
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            with os.fdopen(writing, "w") as result:
                json.dump(_answer(json.loads(line)), result)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as result:
            print(result.read(), flush=True)
        os.waitpid(child, 0)


def _answer(request: dict[str, Any]) -> tuple[Any, bool]:
    """The answer of a new server to one request, which it reads and writes through files."""
    from hvaedsl.diagnostics.span import Source
    from hvaedsl.lsp.server import make_server
    from hvaedsl.syntax.parser import parse_document

    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in request["texts"].items():
            (folder / file).write_text(text, encoding="utf-8")
        uris = {file: (folder / file).as_uri() for file in request["texts"]}
        uri = uris[request["file"]]
        parameters = {**request["parameters"], "textDocument": {"uri": uri}}
        messages: list[dict[str, Any]] = [
            {
                "id": 0,
                "method": "initialize",
                "params": {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}},
            },
            {"method": "initialized", "params": {}},
            *(
                {
                    "method": "textDocument/didOpen",
                    "params": {"textDocument": {"uri": uris[file], "languageId": "hvae", "version": 1, "text": text}},
                }
                for file, text in request["texts"].items()
            ),
            {"id": 1, "method": f"textDocument/{request['method']}", "params": parameters},
        ]
        server = make_server("fresh")
        answer = _talk(server, messages)
    damaged = any(parse_document(Source(file, text)).diagnostics for file, text in request["texts"].items())
    return answer, damaged


def _talk(server: Any, messages: list[dict[str, Any]]) -> Any:
    """Give a server its messages through pipes until it has answered request 1."""
    import threading

    to_server, from_client = os.pipe()
    to_client, from_server = os.pipe()
    stdin, stdout = os.fdopen(to_server, "rb"), os.fdopen(from_server, "wb")
    threading.Thread(target=server.start_io, args=(stdin, stdout), daemon=True).start()
    out, answers = os.fdopen(from_client, "wb", buffering=0), os.fdopen(to_client, "rb")  # open until this copy exits
    for message in messages:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        out.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    while True:
        length = 0
        while (header := answers.readline()).strip():
            if header.lower().startswith(b"content-length:"):
                length = int(header.partition(b":")[2])
        found = json.loads(answers.read(length))
        if found.get("id") == 1:
            _KEPT.extend([out, answers])
            return found.get("result")


if __name__ == "__main__":
    _serve()
