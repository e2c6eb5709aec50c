"""Compiling beside the event loop: a large spec takes seconds, and the editor wants answers meanwhile.

Not in a process, from which the result would have to be copied: that takes a third of the time that compiling takes,
half of it on the event loop. Not in the threads of pygls, each of which has a whole request: texts would change under
it, and the end of the server waits for them.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from hvaedsl.lsp.analysed import Analysed, compiled
from hvaedsl.lsp.desk import Desk

T = TypeVar("T")


@dataclass(frozen=True)
class _Work:
    """What is under way for one text."""

    task: asyncio.Task[None]
    begun: float


class Background:
    """Compiles the texts of a desk when somebody waits for it, each in a thread of its own.

    Nothing stops a thread, so there is one at a time for each text. What it makes of a text that has changed meanwhile
    is dropped, and the text of that moment is next.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way: dict[str, _Work] = {}

    async def compiled(self, uri: str, patience_seconds: float = math.inf) -> None:
        """Wait until a text is compiled, or has been under way for so long."""
        while (found := self._desk.known(uri)) is not None and found.compilation is None:
            work = self._under_way.get(uri) or self._begin(uri, found)
            left = work.begun + patience_seconds - monotonic()
            _, pending = await asyncio.wait({work.task}, timeout=None if math.isinf(left) else max(left, 0))
            if pending:
                return
            work.task.result()  # what it raised is its waiters' business

    def _begin(self, uri: str, found: Analysed) -> _Work:
        work = self._under_way[uri] = _Work(asyncio.create_task(self._compile(found)), monotonic())
        work.task.add_done_callback(lambda _: self._under_way.pop(uri))
        return work

    async def _compile(self, found: Analysed) -> None:
        self._desk.take(found, await in_thread(partial(compiled, found)))


async def in_thread(work: Callable[[], T]) -> T:
    """What a call gives or raises, made in a thread; the end of the process does not wait for it."""
    made: Future[T] = Future()
    made.set_running_or_notify_cancel()  # from here on nobody can cancel it

    def run() -> None:
        try:
            made.set_result(work())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(made)
