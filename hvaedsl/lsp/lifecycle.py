"""The order of a session: requests before `initialize` and after `shutdown` are refused; pygls 2.1 answers neither."""

from __future__ import annotations

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest, JsonRpcServerNotInitialized
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage


class OrderedProtocol(LanguageServerProtocol):
    """The protocol of pygls, with the errors that the specification requires out of order."""

    def handle_message(self, message: RPCMessage) -> None:
        """Answer a request, or refuse it with an error; a notification that is out of order is dropped."""
        refusal = self._refusal(getattr(message, "method", None))
        if refusal is None:
            super().handle_message(message)
        elif hasattr(message, "id"):
            self._send_response(message.id, error=refusal.to_response_error())

    def _refusal(self, method: str | None) -> JsonRpcException | None:
        """Why a method cannot be called now; answers of the client have no method."""
        if method in (None, lsp.EXIT):
            return None
        if self._shutdown:
            return JsonRpcInvalidRequest("the server has been shut down")
        if self._workspace is None and method != lsp.INITIALIZE:
            return JsonRpcServerNotInitialized("the server has not been initialized")
        if self._workspace is not None and method == lsp.INITIALIZE:
            return JsonRpcInvalidRequest("the server has been initialized")
        return None
