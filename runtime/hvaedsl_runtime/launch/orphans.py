"""A process that outlives the one that started it saves its checkpoint and ends, however that one ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

# The system call prctl, and its option that sends a signal to a process whose parent ends.
PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.5
# How long an orphan has to save its checkpoint. Then it ends, wherever it is.
GRACE_SECONDS = 60.0


def stop_with_parent(parent: int) -> None:
    """Stop as on SIGTERM when the process `parent`, which started this one, has ended; after a minute, end in any case.

    On Linux the system sends the signal; elsewhere a thread does. If the parent has ended before, end at once.
    """
    is_sent = _signal_on_death()
    if os.getppid() != parent:  # it ended before the system was asked
        os._exit(128 + signal.SIGTERM)
    threading.Thread(target=_watch, args=(parent, is_sent), daemon=True, name="watch of the launcher").start()


def end_after(seconds: float) -> None:
    """End this process by force if it has not ended after `seconds`."""
    time.sleep(seconds)
    os._exit(128 + signal.SIGTERM)


def _watch(parent: int, is_sent: bool) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    if not is_sent:
        os.kill(os.getpid(), signal.SIGTERM)
    end_after(GRACE_SECONDS)


def _signal_on_death() -> bool:
    """Ask the system for SIGTERM when the parent ends; whether it does."""
    if sys.platform != "linux" or not Path("/proc/self").exists():
        return False
    import ctypes  # only here: some systems have no such library

    try:
        return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
