"""Ctrl-C, SIGTERM and other signals that end a process: a run stops between two steps, with a checkpoint."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

# Those that a user, a closed terminal, a scheduler before its time limit or a limit on CPU time sends; all would end
# the process. Windows has fewer.
SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if name in signal.Signals.__members__
)
# A second one of these ends the run at once. The others are sent again without impatience: SIGXCPU every second.
INSISTENT = ("SIGINT", "SIGTERM", "SIGQUIT")
# A scheduler signals the launcher and its processes, to which the launcher forwards it: the same signal within this
# time is the same request.
SAME_REQUEST_SECONDS = 1.0


def not_ignored(signals: Iterable[signal.Signals]) -> list[signal.Signals]:
    """The signals that this process does not ignore.

    `nohup` starts a command that ignores SIGHUP, and a shell starts one in the background that ignores SIGINT. A
    handler would undo that.
    """
    return [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]


class InterruptionError(Exception):
    """The run has to stop now; its state is saved, or the user insists."""


class Interruption:
    """A context manager that records a signal of SIGNALS in `received` instead of ending the process.

    The training loop checks it between two steps. A second signal of INSISTENT, or a first one inside
    `nothing_to_lose`, raises InterruptionError. A signal that was ignored before stays ignored. Handlers can only be
    set in the main thread; in another thread, signals keep their meaning.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._received_at = 0.0
        self._may_leave = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in not_ignored(SIGNALS)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    @contextmanager
    def nothing_to_lose(self) -> Iterator[None]:
        """A block in which the first signal already raises InterruptionError, because the state was just saved."""
        if self.received is not None:
            raise InterruptionError
        self._may_leave = True
        try:
            yield
        finally:
            self._may_leave = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        again = signal.Signals(number)
        if self.received is None:
            self.received, self._received_at = again, time.monotonic()
            if self._may_leave:
                raise InterruptionError
            return

        is_same_request = again is self.received and time.monotonic() < self._received_at + SAME_REQUEST_SECONDS
        if again.name in INSISTENT and not is_same_request:
            self.received = again
            raise InterruptionError
