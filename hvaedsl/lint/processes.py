"""Share independent work with forked processes, all of which end before `shared` returns.

Helpers only save time. Whatever one of them does not return, because it failed, was killed or was not started, the
caller does itself, so that errors are those of one process, and are raised in its order. Only pipes are used: no
semaphores, which need /dev/shm, and no temporary files.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import struct
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn, Protocol, TypeVar

R = TypeVar("R")

MAX_PROCESSES = 16
MIN_SHARE = 16  # items for a process; starting one takes as long as checking two or three specs
_CHUNK = 4  # items that a process takes at a time
_NUMBER = struct.Struct("<I")
_MAX_CHUNKS = 1_024  # their numbers are in a pipe at once, and every pipe has room for 4 KiB


def useful_processes() -> int:
    """The number of processes that can run at a time, this one included; 1 where forking may not be safe.

    Other threads may hold locks that nobody releases in a fork, and macOS forbids its frameworks there.
    """
    if sys.platform != "linux" or threading.active_count() > 1 or "torch" in sys.modules:
        return 1
    return min(MAX_PROCESSES, len(os.sched_getaffinity(0)))


class Task(Protocol[R]):
    """What is done for each number, and how a helper passes its results on."""

    def work(self, number: int) -> R:
        """Return the result for a number."""

    def dump(self, found: dict[int, R]) -> bytes:
        """Return the results by number as bytes, which `load` in the process of the caller reads."""

    def load(self, data: bytes) -> dict[int, R]:
        """Return what was dumped. Raises any exception for incomplete data."""


def shared(task: Task[R], count: int, processes: int) -> dict[int, R]:
    """Return the results for the numbers below `count` that this process and its helpers could compute.

    Numbers whose work raises an exception are left out. Without helpers, nothing is done.
    """
    processes = min(processes, count // MIN_SHARE)
    if processes < 2:
        return {}

    found: dict[int, R] = {}
    helpers: list[tuple[int, int]] = []  # the id of each process, and the pipe with its results
    try:
        queue, size = _queue(count)
        try:
            # An interruption between a fork and its entry in the list would leave a helper behind.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for _ in range(processes - 1):
                    pipes = [pipe for _, pipe in helpers]
                    helpers.append(_started(task, _numbers(queue, size, count), pipes, mask))
            except OSError:  # too many processes or open files: fewer helpers, or none
                pass
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if helpers:
                found = _done(task, _numbers(queue, size, count))
        finally:
            os.close(queue)

        for process, pipe in helpers:
            found |= _received(task, pipe)
            helpers = [item for item in helpers if item[0] != process]
            _reap(process)
    except OSError:  # no pipe
        pass
    finally:
        for process, pipe in helpers:  # after an interruption
            with contextlib.suppress(OSError):
                os.close(pipe)
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
            _reap(process)
    return found


def _queue(count: int) -> tuple[int, int]:
    """A pipe with the number of every chunk of the work, and the size of a chunk. Each reader takes the next one."""
    size = max(_CHUNK, math.ceil(count / _MAX_CHUNKS))
    queue, filling = os.pipe()
    try:
        os.write(filling, b"".join(map(_NUMBER.pack, range(math.ceil(count / size)))))
    finally:
        os.close(filling)  # an empty queue is at its end
    return queue, size


def _numbers(queue: int, size: int, count: int) -> Iterator[int]:
    """Take chunks from the queue, and yield the numbers in them, until it is empty."""
    while taken := os.read(queue, _NUMBER.size):
        first = _NUMBER.unpack(taken)[0] * size
        yield from range(first, min(first + size, count))


def _done(task: Task[R], numbers: Iterable[int], parent: int | None = None) -> dict[int, R]:
    """The results of the numbers, without those that raise; a helper stops when its parent has ended."""
    found: dict[int, R] = {}
    for number in numbers:
        if parent is not None and os.getppid() != parent:
            return {}
        with contextlib.suppress(Exception):
            found[number] = task.work(number)
    return found


def _started(task: Task[R], numbers: Iterable[int], pipes: Sequence[int], mask: Iterable[int]) -> tuple[int, int]:
    """Start a helper; return its process and the pipe that its results are read from. Raises `OSError`.

    The caller blocks SIGINT; `mask` are the signals that are blocked in the helper.
    """
    parent = os.getpid()
    results, writing = os.pipe()
    try:
        process = os.fork()
        if process == 0:
            _help(task, numbers, parent, writing, (*pipes, results), mask)
    except OSError:
        os.close(results)
        raise
    finally:
        os.close(writing)
    return process, results


def _help(
    task: Task[R],
    numbers: Iterable[int],
    parent: int,
    writing: int,
    others: Sequence[int],
    mask: Iterable[int],
) -> NoReturn:
    """The life of a helper: it writes its results, and ends without any output of its own, whatever happens."""
    try:
        # Ctrl-C reaches all processes of a terminal; the parent reports it.
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for pipe in others:
            os.close(pipe)

        data = memoryview(task.dump(_done(task, numbers, parent)))
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


def _received(task: Task[R], pipe: int) -> dict[int, R]:
    """The results of a helper; none if it ended before it had written all of them."""
    with open(pipe, "rb") as file:
        data = file.read()
    try:
        return task.load(data)
    except Exception:
        return {}


def _reap(process: int) -> None:
    """Wait until a helper has ended."""
    with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored, as by some parents
        os.waitpid(process, 0)
