"""The launcher's watch over the processes that it started: their beats, the stacks they write, and signals for them."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hvaedsl.diagnostics.errors import Hung
from hvaedsl.diagnostics.streams import print_data, say
from hvaedsl_runtime.heartbeat import STACKS_SIGNAL, Beat, beat_file, stacks_file
from hvaedsl_runtime.launch.hang import TICK_SECONDS, HangClock, behind, describe, kill, minutes, stacks_of


class GroupWatch:
    """A thread that ends the processes if one of them hangs, and says why in `hang`.

    `folder` has the files of their beats. As a context manager it runs while the processes do. Stacks that a process
    writes because a signal asked for them are printed.
    """

    def __init__(self, folder: Path, processes: int, timeout_minutes: float) -> None:
        self.folder = folder
        self.ranks = range(processes)
        self.timeout = timeout_minutes
        self.hang: Hung | None = None
        self._printed = dict.fromkeys(self.ranks, 0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="watch of the processes")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def beats(self) -> dict[int, Beat | None]:
        """The last beat of each process; None for one that has not begun."""
        return {rank: Beat.read(beat_file(self.folder, rank)) for rank in self.ranks}

    def send(self, number: int) -> None:
        """Send a signal to each process that has begun."""
        for beat in self.beats().values():
            if beat is not None:
                with suppress(OSError):
                    os.kill(beat.pid, number)

    def ask_for_stacks(self) -> None:
        """Make each process write its stacks, which are printed."""
        if STACKS_SIGNAL is not None:
            self.send(STACKS_SIGNAL)

    def _run(self) -> None:
        clock = HangClock(60 * self.timeout if self.timeout else float("inf"))
        period = min(TICK_SECONDS, 6 * self.timeout) if self.timeout else TICK_SECONDS
        while not self._done.wait(period):
            beats = self.beats()
            self._print_stacks(beats)
            if clock.tick(beats, time.monotonic()):
                self._end(beats, clock)
                return
        self._print_stacks(self.beats())

    def _print_stacks(self, beats: dict[int, Beat | None]) -> None:
        """Print what processes have written since the last time."""
        for rank, beat in beats.items():
            with suppress(OSError):  # it has not begun
                content = stacks_file(self.folder, rank).read_bytes()
                if beat is not None and len(content) > self._printed[rank]:
                    say(f"training process {rank} (pid {beat.pid}): {beat}; the stacks of its threads:", err=True)
                    print_data(content[self._printed[rank] :].decode(errors="replace").rstrip(), err=True)
                    self._printed[rank] = len(content)

    def _end(self, beats: dict[int, Beat | None], clock: HangClock) -> None:
        """Describe a hang, and end the processes; the launcher then finds them killed."""
        answers = {rank: stacks_of(beat, self.folder) for rank, beat in beats.items() if beat is not None}
        rank = behind(beats, clock.idle, answers)
        describe(beats, clock.idle, answers)
        beat = beats[rank]
        doing = "it has not begun" if beat is None else str(beat)
        self.hang = Hung(
            f"training process {rank} made no progress for {minutes(clock.limit_of(beat) / 60)}: {doing}",
            help="its stacks or state are above; --hang-timeout is the time to wait",
        )
        for found in beats.values():
            if found is not None:
                kill(found.pid)
        for pid in started_with(self.folder):
            kill(pid)


def started_with(folder: Path) -> list[int]:
    """The children of this process with a folder on their command line; some of them may not have begun to beat."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            for pid in map(int, (thread / "children").read_text(encoding="ascii").split()):
                if os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
    return found
