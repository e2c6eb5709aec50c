"""Hangs: what tells them from work, who is behind, and what is printed about each process before it is ended."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hvaedsl.diagnostics.errors import ExitCode
from hvaedsl.diagnostics.streams import print_data, say
from hvaedsl_runtime.heartbeat import STACKS_SIGNAL, STDERR, Beat, current, stacks_file
from hvaedsl_runtime.rendezvous import launched_processes, started_by_launcher
from hvaedsl_runtime.train.settings import RunSettings

TICK_SECONDS = 1.0
# A watcher whose tick comes so late was asleep itself: the machine was suspended, or all its processes were stopped.
ASLEEP_SECONDS = 5.0
# A process that waits for one of another launcher, which watches that one, gives it time to be ended first.
OTHERS_SECONDS = 60.0
# A process that has not begun imports its libraries, which may take minutes on a busy machine or a network file system.
START_SECONDS = 300.0
# How long a process has to write its stacks, and how long the file must have kept its size.
ANSWER_SECONDS = 5.0
SETTLED_SECONDS = 0.2


@dataclass
class HangClock:
    """Counts for how long each process has made no beat, by ticks of a watcher that is awake; `limit` is in seconds.

    The time in which the watcher does not run does not count, so that a suspended machine is no hang.
    """

    limit: float
    idle: dict[int, float] = field(default_factory=dict)
    _beats: dict[int, Beat | None] = field(default_factory=dict)
    _last: float | None = None

    def limit_of(self, beat: Beat | None) -> float:
        """The seconds after which a process with this last beat is late."""
        return self.limit if beat is not None else max(self.limit, START_SECONDS)

    def tick(self, beats: Mapping[int, Beat | None], now: float) -> bool:
        """Count the time since the last tick, and return whether a process hangs; `now` is of a monotonic clock.

        One that waits for the others does not hang, unless all wait, and one in a phase without limit never does.
        """
        passed = 0.0 if self._last is None else now - self._last
        self._last = now
        was_asleep = passed > ASLEEP_SECONDS
        for rank, beat in beats.items():
            is_new = was_asleep or rank not in self.idle or beat != self._beats.get(rank)
            self.idle[rank] = 0.0 if is_new else self.idle[rank] + passed
            self._beats[rank] = beat

        late = [rank for rank, beat in beats.items() if self.idle[rank] >= self.limit_of(beat)]
        working = [rank for rank in late if not (beat := beats[rank]) or not (beat.is_waiting or beat.takes_long)]
        takes_long = any(beat is not None and beat.takes_long for beat in beats.values())
        return bool(working) or (len(late) == len(beats) and bool(late) and not takes_long)


def behind(beats: Mapping[int, Beat | None], idle: Mapping[int, float], answers: Mapping[int, str]) -> int:
    """The rank that the others wait for.

    It cannot print its stacks, or does not wait itself, or has taken the fewest steps, or made the oldest last beat.
    """

    def order(rank: int) -> tuple[bool, bool, int, float]:
        beat = beats[rank]
        if beat is None:  # it has not begun
            return (False, False, -1, 0.0)
        return (bool(answers.get(rank)), beat.is_waiting, beat.step, -idle[rank])

    return min(beats, key=order)


def stacks_of(beat: Beat, folder: Path) -> str:
    """The stacks of a process's threads, which it writes when it is asked; empty if it does not answer."""
    path = stacks_file(folder, beat.rank)
    try:
        before = path.stat().st_size
        os.kill(beat.pid, STACKS_SIGNAL or 0)
    except OSError:
        return ""

    until, size, changed = time.monotonic() + ANSWER_SECONDS, before, time.monotonic()
    while time.monotonic() < until and (size == before or time.monotonic() < changed + SETTLED_SECONDS):
        time.sleep(0.02)
        if path.stat().st_size != size:
            size, changed = path.stat().st_size, time.monotonic()
    return path.read_bytes()[before:].decode(errors="replace")


def state_of(pid: int) -> str:
    """What the system knows of a process: its state, where it waits in the kernel, and the stack there if readable."""
    lines = []
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        wanted = ("State:", "Threads:", "VmRSS:", "SigQ:", "SigBlk:")
        lines += [" ".join(line.split()) for line in status if line.startswith(wanted)]
    for name in ("wchan", "stack"):
        with suppress(OSError):  # the stack is readable by root alone
            if text := Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace").strip():
                lines.append(f"{name}: {'; '.join(text.splitlines())}")
    return "\n".join(f"  {line}" for line in lines) or "  it has no entry in /proc"


def describe(beats: Mapping[int, Beat | None], idle: Mapping[int, float], answers: Mapping[int, str]) -> None:
    """Print on stderr what each process did last, with its stacks, or its state if it does not answer."""
    for rank, beat in beats.items():
        if beat is None:
            say(f"training process {rank}: it has not begun", err=True)
            continue
        about = f"training process {rank} (pid {beat.pid}), no progress for {idle[rank]:.0f} s: {beat}"
        if answers.get(rank):
            say(f"{about}; the stacks of its threads:", err=True)
            print_data(answers[rank].rstrip(), err=True)
        else:
            say(f"{about}; it does not answer:", err=True)
            print_data(state_of(beat.pid), err=True)


@contextmanager
def watching_itself(settings: RunSettings) -> Iterator[None]:
    """End this process if the block hangs: with its stacks, the last phase, and the command that resumes the run."""
    if settings.hang_timeout == 0:
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_watch_itself, args=(settings, done), daemon=True, name="watch for hangs")
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()  # it may be printing


def _watch_itself(settings: RunSettings, done: threading.Event) -> None:
    clocks = {
        False: HangClock(60 * settings.hang_timeout),
        True: HangClock(60 * settings.hang_timeout + OTHERS_SECONDS),
    }
    while not done.wait(min(TICK_SECONDS, 6 * settings.hang_timeout)):
        beat, now = current(), time.monotonic()
        # The longer of the two clocks is for the time in which this process waits for others.
        hangs = {waits: clock.tick({beat.rank: beat}, now) for waits, clock in clocks.items()}
        if hangs[beat.is_waiting]:
            break
    else:
        return
    say(f"error: no progress for {minutes(settings.hang_timeout)}: {beat}; the stacks of the threads:", err=True)
    with suppress(OSError, ValueError, AttributeError):  # a closed stderr
        faulthandler.dump_traceback(file=STDERR, all_threads=True)
    command = settings.resume_command(launched_processes() if started_by_launcher() else None)
    say(f"  help: resume with: {command}; --hang-timeout is the time to wait", err=True)
    os._exit(ExitCode.TRAINING)


def minutes(value: float) -> str:
    """A time in minutes, in words."""
    return f"{value:g} minute{'' if value == 1 else 's'}" if value >= 1 else f"{60 * value:g} seconds"


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    with suppress(OSError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
