"""A command on a pseudo-terminal of a given width."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-c", "from hvaedsl.cli.main import run; run()")
# Commands of one process, which imports what they share once; a line with the exit code ends the output of each.
SEVERAL = """
import json, sys
from hvaedsl.cli.main import run

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["hvaedsl", *arguments]
    code = 0
    try:
        run()
    except SystemExit as stop:
        code = stop.code or 0
    sys.stderr.flush()
    print(f"\\n\\0{code}", flush=True)
"""
# Settings of the machine that runs the tests, which decide on color and width.
DECIDING = (
    "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "PY_COLORS",
    "GITHUB_ACTIONS", "TERMINAL_WIDTH",
)  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Shown:
    """What a terminal received, with and without escape sequences, and the exit code."""

    raw: str
    code: int

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")


def environment(**more: str) -> dict[str, str]:
    """The environment of a command, without settings of color and width except those given."""
    kept = {name: value for name, value in os.environ.items() if name not in DECIDING}
    return {**kept, "TERM": "xterm-256color", "HVAEDSL_CACHE": "off", **more}


def on_terminal(*arguments: str, columns: int = 80, cwd: Path | None = None, **more: str) -> Shown:
    """Run a command with stdout and stderr on a terminal of this many columns."""
    return program_on_terminal(*COMMAND, *arguments, columns=columns, cwd=cwd, **more)


def all_on_terminal(commands: Sequence[Sequence[str]], *, columns: int = 80, cwd: Path | None = None) -> list[Shown]:
    """Run commands one after another in one process on a terminal."""
    program = (sys.executable, "-c", SEVERAL, json.dumps(commands))
    received = program_on_terminal(*program, columns=columns, cwd=cwd)
    assert received.code == 0, received.text
    found = re.findall(r"(.*?)\r\n\0(\d+)\r\n", received.raw, re.DOTALL)
    assert len(found) == len(commands), received.text
    return [Shown(raw, int(code)) for raw, code in found]


def program_on_terminal(*program: str, columns: int = 80, cwd: Path | None = None, **more: str) -> Shown:
    """The same for any program."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment(**more))
    os.close(theirs)

    received = bytearray()
    while True:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # Linux reports the end so
            break
        if not chunk:
            break
        received += chunk
    os.close(ours)
    return Shown(received.decode(errors="replace"), process.wait(60))


def in_pipe(*arguments: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command with stdout and stderr in pipes."""
    return subprocess.run(
        (*COMMAND, *arguments), cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False
    )
