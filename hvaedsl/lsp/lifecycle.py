"""The order of a session, and its end if the client dies.

Requests before `initialize` and after `shutdown` are refused; pygls 2.1 answers neither.
"""

from __future__ import annotations

import os
import threading
import time

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest, JsonRpcServerNotInitialized
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage

_LOOK_SECONDS = 5.0  # between two looks at whether the client's process is still there


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


def exit_with_client(process_id: int | None) -> None:
    """End this process when that of the client has ended, also if another process keeps the pipe from it open.

    A process that cannot be seen, such as that of an editor outside of this container, is not watched.
    """
    if process_id is not None and _is_running(process_id):
        threading.Thread(target=_exit_after, args=(process_id,), daemon=True).start()


def _exit_after(process_id: int) -> None:
    while _is_running(process_id):
        time.sleep(_LOOK_SECONDS)
    os._exit(1)  # the code that the specification has for an exit without `shutdown`


def _is_running(process_id: int) -> bool:
    """Whether a process is known to run; never on Windows, where signal 0 would end it."""
    try:
        if os.name == "posix":
            os.kill(process_id, 0)
    except PermissionError:  # it belongs to another user
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return os.name == "posix"
