"""The process that holds a lock on a folder, as the lock's file records it, and whether that process still runs."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

# The first words of a lock's file in earlier versions, which a flock alone guarded.
_EARLIER = re.compile(r"process (\d+) on (\S+)")


class Holder(BaseModel):
    """A process: its host and boot, its number there, and when it started.

    `boot` identifies the running system and the namespace of its process numbers, so that two containers of one name do
    not judge each other's processes. `started` is in clock ticks since the boot; both are empty if the system does not
    tell them. `token` is random: the same process with another lock is another holder.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    boot: str = ""
    pid: int
    started: str = ""
    since: str = ""
    token: str = ""

    @classmethod
    def this_process(cls) -> Self:
        """Describe this process, with a new token."""
        return cls(
            host=socket.gethostname(),
            boot=boot_identity(),
            pid=os.getpid(),
            started=start_of(os.getpid()),
            since=datetime.now().astimezone().isoformat(timespec="seconds"),
            token=secrets.token_hex(16),
        )

    @classmethod
    def read(cls, content: bytes) -> Self | None:
        """Read a lock's content, of this version or an earlier one; None if it names no process."""
        if earlier := _EARLIER.match(content.decode(errors="replace")):
            return cls(pid=int(earlier[1]), host=earlier[2])
        with suppress(ValidationError):
            return cls.model_validate_json(content)
        return None

    @property
    def is_local(self) -> bool:
        """Whether the process ran on this system, where its number can be looked up."""
        return self.host == socket.gethostname() and self.boot == boot_identity()

    @property
    def runs(self) -> bool:
        """Whether a process with this number and this start runs on this system."""
        return is_running(self.pid) and start_of(self.pid) == self.started

    def __str__(self) -> str:
        since = f", since {self.since.replace('T', ' ')}" if self.since else ""
        return f"process {self.pid} on {self.host}{since}"


@cache
def boot_identity() -> str:
    """The boot of this system and the namespace of its process numbers; empty on systems that do not tell them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether a process with this number runs; one that has ended and is not collected does not."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    except OverflowError:
        return False
    fields = _fields_of(pid)
    return not fields or fields[0] not in ("Z", "X")


def start_of(pid: int) -> str:
    """When a process started, in clock ticks since the boot; empty if the system does not tell it."""
    fields = _fields_of(pid)
    return fields[19] if len(fields) > 19 else ""


def _fields_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, which is the state; empty without such a file."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name of the program, in parentheses, may have spaces
