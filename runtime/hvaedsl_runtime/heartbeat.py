"""What this process is doing, for a watcher that tells a hang from work: a launcher reads a file, a thread the memory.

A beat is a phase ("step", "saving the checkpoint") and the number of steps done. A process that hangs makes none.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

# A beat in the same phase and step is written only if the last one is at least this old.
WRITE_SECONDS = 1.0
# Every beat is as long in the file, so that one write replaces it.
BYTES = 256
STDERR = 2
# With this signal the launcher makes a process write the stacks of its threads. SIGQUIT does too, but a shell's
# background job may ignore it.
STACKS_SIGNAL: int | None = signal.SIGRTMIN + 5 if hasattr(signal, "SIGRTMIN") else getattr(signal, "SIGQUIT", None)


class Beat(NamedTuple):
    """The state of a process. `step` is the number of steps done; beats are numbered.

    `is_waiting` means for the other processes; `takes_long` that the phase has no beats in it and no time limit, such
    as a download.
    """

    pid: int
    rank: int = 0
    number: int = 0
    phase: str = "start"
    step: int = 0
    is_waiting: bool = False
    takes_long: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the beat in a file; None if there is none, or it is being written."""
        try:
            pid, rank, number, step, waiting, long, phase = path.read_text(encoding="utf-8").rstrip().split(" ", 6)
            return cls(int(pid), int(rank), int(number), phase, int(step), waiting == "1", long == "1")
        except (OSError, ValueError):
            return None

    def line(self) -> bytes:
        """The content of the file. Written in every step, so that it takes microseconds."""
        pid, rank, number, phase, step, waiting, long = self
        return f"{pid} {rank} {number} {step} {waiting:d} {long:d} {phase}".ljust(BYTES).encode()[:BYTES]

    def __str__(self) -> str:
        waiting = ", waiting for the other processes" if self.is_waiting else ""
        return f"{self.phase}, after step {self.step}{waiting}"


class Heartbeat:
    """The beat of a process, in its memory and, if `path` is given, in a file."""

    def __init__(self, rank: int = 0, path: Path | None = None) -> None:
        self.current = Beat(os.getpid(), rank)
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self._written_at = 0.0
        self._write()

    def __call__(self, phase: str, step: int | None = None) -> None:
        """Beat; `step` is as before if it is not given."""
        before = self.current
        step = before.step if step is None else step
        self.current = Beat(before.pid, before.rank, before.number + 1, phase, step)
        is_same = (phase, step, False, False) == (before.phase, before.step, before.is_waiting, before.takes_long)
        if not is_same or time.monotonic() >= self._written_at + WRITE_SECONDS:
            self._write()

    @contextmanager
    def marked(self, *, is_waiting: bool = False, takes_long: bool = False) -> Iterator[None]:
        """Set `is_waiting` or `takes_long` inside the block; its beginning and its end are beats."""
        before = self.current
        self.current = before._replace(number=before.number + 1, is_waiting=is_waiting, takes_long=takes_long)
        self._write()
        try:
            yield
        finally:
            self.current = before._replace(number=self.current.number + 1)
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):  # a full disk: the beat before stays, and the run does not depend on it
            os.pwrite(self._file, self.current.line(), 0)
        self._written_at = time.monotonic()


_heartbeat = Heartbeat()
_stacks: int | None = None  # where stacks go; to stderr without a launcher


def start_heartbeat(rank: int, folder: Path) -> None:
    """Write the beats of this process, and the stacks that a signal asks for, into files of a folder for a launcher."""
    global _heartbeat, _stacks
    _heartbeat = Heartbeat(rank, beat_file(folder, rank))
    _stacks = os.open(stacks_file(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print_stacks_on_signal()


def beat(phase: str, step: int | None = None) -> None:
    """Say that this process is alive, in `phase`; `step` is the number of steps done, as before if it is not given.

    It takes microseconds, and writes a file only for a launcher that watches.
    """
    _heartbeat(phase, step)


def waiting() -> AbstractContextManager[None]:
    """A block in which this process waits for the others, so that it is not the one that hangs."""
    return _heartbeat.marked(is_waiting=True)


def taking_long(phase: str) -> AbstractContextManager[None]:
    """A block without beats that may take any time, such as a download: it is not taken for a hang."""
    beat(phase)
    return _heartbeat.marked(takes_long=True)


def current() -> Beat:
    """The last beat of this process."""
    return _heartbeat.current


def beat_file(folder: Path, rank: int) -> Path:
    """The file with the last beat of a process, a line of text."""
    return folder / f"beat-{rank}.txt"


def stacks_file(folder: Path, rank: int) -> Path:
    """The file to which a process appends the stacks of its threads."""
    return folder / f"stacks-{rank}.txt"


def print_stacks_on_signal() -> None:
    """Print the stacks of all threads on SIGQUIT, which then does not end the process, to stderr or for the launcher.

    An ignored SIGQUIT stays ignored; in a process with a launcher, the launcher's own signal asks for them too.
    """
    if not hasattr(faulthandler, "register"):
        return
    signals = [] if _stacks is None or STACKS_SIGNAL is None else [STACKS_SIGNAL]
    if signal.getsignal(signal.SIGQUIT) is not signal.SIG_IGN:
        signals.append(signal.SIGQUIT)
    for number in dict.fromkeys(signals):
        with suppress(OSError, ValueError, AttributeError):  # a closed stderr
            faulthandler.register(number, file=STDERR if _stacks is None else _stacks, chain=False)


def quit_on_signal() -> None:
    """Give SIGQUIT its former meaning again."""
    if hasattr(faulthandler, "unregister"):
        faulthandler.unregister(signal.SIGQUIT)
