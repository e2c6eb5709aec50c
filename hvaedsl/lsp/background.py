"""Compiling in threads: a large spec takes seconds, and the event loop keeps answering requests meanwhile.

A process was not chosen, because copying the result back takes a third of the time of compiling, half of it on the
event loop. The threads of pygls were not chosen either: each runs a whole request, so texts would change during it, and
the server waits for them when it exits.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from hvaedsl.lsp.analyzed import AnalyzedText, Outdated, compiled
from hvaedsl.lsp.open_documents import OpenDocuments

T = TypeVar("T")
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class _Work:
    """The compilation of one text that is running."""

    task: asyncio.Task[None]
    started: float  # seconds on the monotonic clock


class Background:
    """Compiles documents on request, each in a thread of its own.

    Each document has one at a time. If the document has changed, its thread stops at the next stage or rule, and the
    new text is compiled. While the event loop answers a request, the threads wait there too: Python runs one thread at
    a time, and the user waits for the answer.
    """

    def __init__(self, documents: OpenDocuments) -> None:
        self._documents = documents
        self._running: dict[str, _Work] = {}
        self._seconds: dict[str, float] = {}
        self._may_run = threading.Event()
        self._may_run.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the threads wait while a request is answered in the event loop."""
        self._may_run.clear()
        try:
            yield
        finally:
            self._may_run.set()

    def last_seconds(self, uri: str) -> float:
        """How long compiling a document took the last time; 0 before the first time."""
        return self._seconds.get(uri, 0.0)

    async def compiled(self, uri: str, patience_seconds: float = math.inf) -> None:
        """Wait until a text is compiled, or its compilation has run for `patience_seconds`."""
        while (found := self._documents.known(uri)) is not None and found.compilation is None:
            work = self._running.get(uri) or self._start(uri, found)
            left = work.started + patience_seconds - monotonic()
            _, pending = await asyncio.wait({work.task}, timeout=None if math.isinf(left) else max(left, 0))
            if pending:
                return
            work.task.result()  # raises what the task raised

    def _start(self, uri: str, found: AnalyzedText) -> _Work:
        work = self._running[uri] = _Work(asyncio.create_task(self._compile(found)), monotonic())
        work.task.add_done_callback(lambda _: self._running.pop(uri))
        return work

    async def _compile(self, found: AnalyzedText) -> None:
        def between() -> None:
            self._may_run.wait(_LONGEST_PAUSE_SECONDS)
            if not self._documents.has(found):
                raise Outdated

        start = monotonic()
        with suppress(Outdated):
            self._documents.replace(found, await in_thread(partial(compiled, found, between)))
            self._seconds[found.uri] = monotonic() - start


async def in_thread(work: Callable[[], T]) -> T:
    """Run a call in a daemon thread and return its result or raise its exception; the process exits without it."""
    made: Future[T] = Future()
    made.set_running_or_notify_cancel()  # from here on it cannot be cancelled

    def run() -> None:
        try:
            made.set_result(work())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(made)
