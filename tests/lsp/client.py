"""A client that speaks the protocol with `hvaedsl lsp` over pipes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

PATIENCE_SECONDS = 60.0

# A warning of our own fails the server; deprecations that packages announce to each other do not.
WARNINGS = "error,ignore::DeprecationWarning,ignore::PendingDeprecationWarning,ignore::FutureWarning"


class ServerError(Exception):
    """The server's answer to a request is an error."""


class Client:
    """Starts the server, sends requests and keeps what comes back. Nothing here knows hvaedsl."""

    def __init__(
        self,
        root: Path,
        *,
        encodings: list[str] | None = None,
        snippets: bool = False,
        more: Mapping[str, Any] | None = None,
        before: str = "",
        initialized: bool = True,
    ) -> None:
        """`more` are capabilities beside the usual ones; `before` is code that the server's process runs first."""
        code = f"{before}\nfrom hvaedsl.cli.main import run; run()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "lsp", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": WARNINGS},
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._kept: dict[int, dict[str, Any]] = {}
        self._errors: list[bytes] = []
        self._last = 0
        self.diagnostics: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []  # the methods of the server's requests
        self.texts: dict[str, tuple[int, str]] = {}
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        threading.Thread(target=self._drain, args=(self.process.stderr,), daemon=True).start()
        general = {"positionEncodings": encodings} if encodings else {}
        item = {"completionItem": {"snippetSupport": snippets}}
        capabilities: dict[str, Any] = {
            "general": general,
            "textDocument": {"completion": item, "rename": {"prepareSupport": True}},
        }
        capabilities["textDocument"]["documentSymbol"] = {"hierarchicalDocumentSymbolSupport": True}
        capabilities |= more or {}
        self._parameters = {"processId": None, "rootUri": root.as_uri(), "capabilities": capabilities}
        if initialized:
            self.initialize()

    def initialize(self) -> None:
        """Begin the session."""
        self.server = self.request("initialize", self._parameters)
        self.notify("initialized", {})

    def request(self, method: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The result of a request. Raises `ServerError`."""
        message = self.answer(self.send(method, parameters))
        if "error" in message:
            raise ServerError(message["error"]["message"])
        return message["result"]

    def send(self, method: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Ask, and wait for nothing; the number of the request."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": parameters})
        return self._last

    def answer(self, number: int) -> dict[str, Any]:
        """The answer to a request; those to others are kept."""
        while number not in self._kept:
            message = self._next()
            if "id" in message and "method" not in message:
                self._kept[message["id"]] = message
        return self._kept.pop(number)

    def notify(self, method: str, parameters: Mapping[str, Any]) -> None:
        """Say something that has no answer."""
        self._send({"method": method, "params": parameters})

    def open(self, uri: str, text: str) -> None:
        """Open a text."""
        self.texts[uri] = (1, text)
        item = {"uri": uri, "languageId": "hvae", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, text: str) -> None:
        """Replace the whole text."""
        version = self.texts[uri][0] + 1
        self.texts[uri] = (version, text)
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def found(self, uri: str, *, again: bool = False) -> list[dict[str, Any]]:
        """The diagnostics of the present version; waits for them. `again`: for the next ones."""
        if again:
            self.diagnostics.pop(uri, None)
        while self.diagnostics.get(uri, {}).get("version") != self.texts[uri][0]:
            self._next()
        found: list[dict[str, Any]] = self.diagnostics[uri]["diagnostics"]
        return found

    def at(self, method: str, uri: str, line: int, character: int, **more: Any) -> Any:
        """A request about a place of a text."""
        place = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        return self.request(f"textDocument/{method}", {**place, **more})

    def close(self) -> tuple[int, str]:
        """End the server as the protocol wants it; its exit code and what stood on its standard error."""
        self.request("shutdown")
        self.notify("exit", {})
        code = self.process.wait(PATIENCE_SECONDS)
        return code, self.errors

    @property
    def errors(self) -> str:
        """What the server has written to standard error so far."""
        return b"".join(self._errors).decode(errors="replace")

    def kill(self) -> None:
        """End the server whatever state it is in."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _next(self) -> dict[str, Any]:
        try:
            message = self._answers.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise AssertionError(f"no answer; standard error: {b''.join(self._errors).decode()}") from None
        if message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics[message["params"]["uri"]] = message["params"]
        elif "method" in message and "id" in message:
            self.asked.append(message["method"])
            self._send({"id": message["id"], "result": None})
        return message

    def _read(self, pipe: IO[bytes]) -> None:
        """Every message; a byte outside of one is an error."""
        while header := pipe.readline():
            assert header.lower().startswith((b"content-length:", b"content-type:")), header
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = pipe.readline()
            self._answers.put(json.loads(pipe.read(length)))

    def _drain(self, pipe: IO[bytes]) -> None:
        self._errors.extend(pipe)
