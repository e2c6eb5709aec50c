"""Ctrl-C, SIGTERM and other signals that end a process: a run stops between two steps, with a checkpoint."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn, Self

from hvaedsl_runtime.heartbeat import print_stacks_on_signal, quit_on_signal

# Those that stop a run: from a user, a closed terminal, a scheduler before its time limit, or a limit on CPU time.
# Windows has fewer.
SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU")
    if name in signal.Signals.__members__
)
# Saves a checkpoint, and the run continues.
SAVE_SIGNAL: signal.Signals | None = getattr(signal, "SIGUSR2", None)
# Prints the stacks of all threads, and the run continues. The launcher asks its processes with a signal of its own.
QUIT_SIGNAL: signal.Signals | None = getattr(signal, "SIGQUIT", None)
HARMLESS = tuple(number for number in (SAVE_SIGNAL, QUIT_SIGNAL) if number is not None)
# A second one of these ends the run at once. The others are sent again without impatience: SIGXCPU every second.
INSISTENT = ("SIGINT", "SIGTERM")
# A scheduler signals the launcher and its processes, to which the launcher forwards it: the same signal within this
# time is the same request.
SAME_REQUEST_SECONDS = 1.0


def not_ignored(signals: Iterable[signal.Signals]) -> list[signal.Signals]:
    """The signals that this process does not ignore.

    `nohup` starts a command that ignores SIGHUP, and a shell starts one in the background that ignores SIGINT. A
    handler would undo that.
    """
    return [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def harmless_signals() -> Iterator[None]:
    """A block in which SIGQUIT prints the stacks of all threads, and SIGUSR2 does nothing until the training begins.

    Both would end the process. In another thread than the main one, signals keep their meaning.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    print_stacks_on_signal()
    previous = {}
    if SAVE_SIGNAL is not None:
        previous = {number: signal.signal(number, lambda *_: None) for number in not_ignored((SAVE_SIGNAL,))}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        quit_on_signal()


class StopSignal(BaseException):
    """A signal of SIGNALS that came before or after the training, which would have saved first."""

    def __init__(self, received: signal.Signals) -> None:
        super().__init__(received.name)
        self.received = received


@contextmanager
def stop_signals_raised() -> Iterator[None]:
    """A block in which a signal that stops a run raises StopSignal, where the training does not handle it.

    Without it, the signal would end the process without a word. Another process of the run would lose its connection
    and report that, and the launcher would restart the run that was asked to stop. In another thread than the main
    one, signals keep their meaning.
    """

    def stop(number: int, _: FrameType | None) -> NoReturn:
        raise StopSignal(signal.Signals(number))

    is_main = threading.current_thread() is threading.main_thread()
    previous = {number: signal.signal(number, stop) for number in not_ignored(SIGNALS)} if is_main else {}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_stop_signals() -> None:
    """Ignore them from now on: the launcher ends the other processes by SIGTERM, while this one writes its report."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class InterruptionError(Exception):
    """The run has to stop now; its state is saved, or the user insists."""


class Interruption:
    """A context manager that records a signal of SIGNALS in `received` instead of ending the process.

    SIGUSR2 sets `save_requested`. The training loop checks both between two steps. A second signal of INSISTENT, or a
    first one inside `nothing_to_lose`, raises InterruptionError. A signal that was ignored before stays ignored.
    Handlers can only be set in the main thread; in another thread, signals keep their meaning.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.save_requested = False
        self._received_at = 0.0
        self._may_leave = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in not_ignored(SIGNALS)}
            self._previous |= self._record_save_requests()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    @contextmanager
    def save_requests(self) -> Iterator[None]:
        """A block in which SIGUSR2 is recorded, and no other signal: while a run is prepared, or resumed."""
        previous = self._record_save_requests() if threading.current_thread() is threading.main_thread() else {}
        try:
            yield
        finally:
            for number, handler in previous.items():
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

    def _record_save_requests(self) -> dict[signal.Signals, object]:
        """Set the handler of SIGUSR2; return the one before."""
        if SAVE_SIGNAL is None:
            return {}
        return {number: signal.signal(number, self._save) for number in not_ignored((SAVE_SIGNAL,))}

    def _save(self, *_: object) -> None:
        self.save_requested = True

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
