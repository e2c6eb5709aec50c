"""Messages of the client before a feature sees them.

pygls 2.1 does not answer a request whose parameters are malformed, shows errors in notifications to the user, and takes
header names in one spelling only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from cattrs import transform_error
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, JsonRpcInvalidRequest, JsonRpcParseError
from pygls.protocol.json_rpc import RPCMessage

from hvaedsl.lsp.lifecycle import OrderedProtocol

_LENGTH = b"content-length:"
_LOG = logging.getLogger(__name__)


class Headers:
    """An input stream in which the header Content-Length has the spelling that pygls knows."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self) -> bytes:
        """A line of a header; contents are not read by lines."""
        line = self._stream.readline()
        if not line.lower().startswith(_LENGTH):
            return line
        return b"Content-Length: " + line[len(_LENGTH) :].strip() + b"\r\n"

    def read(self, size: int) -> bytes:
        """A content."""
        return self._stream.read(size)


@dataclass(frozen=True)
class Malformed:
    """A message that cannot be read; `id` is that of a request, and None if there is nothing to answer."""

    id: int | str | None
    refusal: JsonRpcException
    method: str = ""


class IncomingProtocol(OrderedProtocol):
    """The protocol, with an error for a malformed request; a malformed notification is logged and has no effect."""

    answering: Callable[[], AbstractContextManager[None]] = nullcontext  # entered while a message is handled

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Read a message, or say what is wrong with it."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            reasons = "; ".join(transform_error(error.__cause__)) if error.__cause__ is not None else str(error)
            if "method" in data:
                method = str(data["method"])
                return Malformed(data.get("id"), JsonRpcInvalidParams(f"{method}: {reasons}"), method)
            if "result" in data or "error" in data:
                return Malformed(None, JsonRpcInvalidRequest(f"an answer: {reasons}"))
            return Malformed(data.get("id"), JsonRpcInvalidRequest("the message has neither a method nor a result"))

    def handle_message(self, message: RPCMessage | Malformed) -> None:
        """Answer a request; refuse or drop what cannot be read, or is about a text that is not open."""
        if isinstance(message, Malformed):
            self._refuse(message)
        elif getattr(message, "jsonrpc", "") != self.VERSION:
            number = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
            self._refuse(Malformed(number, JsonRpcInvalidRequest("the message is not one of JSON-RPC 2.0")))
        elif (problem := self._wrong_arguments(message)) is not None:
            self._refuse(Malformed(getattr(message, "id", None), JsonRpcInvalidParams(problem)))
        elif self._is_about_unopened(message):
            _LOG.info("%s of a text that is not open", getattr(message, "method", ""))
        else:
            with self.answering():
                super().handle_message(message)

    def refuse_content(self, error: ValueError) -> None:
        """Answer a content that is not JSON."""
        self._send_response(cast(str, None), error=JsonRpcParseError(str(error)).to_response_error())

    def _refuse(self, message: Malformed) -> None:
        out_of_order = self._refusal(message.method)
        if message.id is not None:
            self._send_response(message.id, error=(out_of_order or message.refusal).to_response_error())
        elif out_of_order is None:
            _LOG.warning("ignored: %s", message.refusal)

    def _is_about_unopened(self, message: RPCMessage) -> bool:
        """Whether a message changes or closes a text that was never opened."""
        method = getattr(message, "method", "")
        if self._workspace is None or method not in (lsp.TEXT_DOCUMENT_DID_CHANGE, lsp.TEXT_DOCUMENT_DID_CLOSE):
            return False
        params: lsp.DidChangeTextDocumentParams | lsp.DidCloseTextDocumentParams = message.params  # type: ignore[union-attr]
        # The workspace makes a text for any URI; one that was opened has the version of its client.
        return self._workspace.get_text_document(params.text_document.uri).version is None

    def _wrong_arguments(self, message: RPCMessage) -> str | None:
        """What is wrong with the arguments of a command: those of this server take one text each."""
        if getattr(message, "method", "") != lsp.WORKSPACE_EXECUTE_COMMAND:
            return None
        params: lsp.ExecuteCommandParams = message.params  # type: ignore[union-attr]
        given = params.arguments
        if params.command not in self.fm.commands or (given and len(given) == 1 and isinstance(given[0], str)):
            return None
        return f"{params.command}: the arguments are {json.dumps(given)}; they must be one text"


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Keep refused requests, which the client has an answer to, and unreadable messages out of pygls's log."""
    if str(record.msg).startswith(("Unable to deserialize message", "Unable to handle message")):
        return record.exc_info is not None and not isinstance(record.exc_info[1], JsonRpcException | ValueError)
    return record.exc_info is None or not isinstance(record.exc_info[1], JsonRpcInvalidParams)
