"""Output without rich: messages and data, and what a stream can show.

Color and live drawing are two decisions. A progress bar moves the cursor, which only a terminal can do; color may be
forced into a pipe, as notebooks and CI services do.
"""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TextIO

from hvaedsl.diagnostics.printable import printable_message

_LAST_STANDARD = 2  # the descriptor of stderr
# The width of a terminal that does not say how wide it is.
USUAL_WIDTH = 80
# Anything else than a terminal: no line is wrapped and no table is stacked.
UNLIMITED = 100_000
# Control characters that act on a terminal, and surrogates; tabs and line breaks do not count.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def prepare_streams() -> None:
    """Make every text printable, in every encoding, and open what the caller of the process has closed.

    Closed streams are /dev/null, as git has them: a command ends as if it had printed, and no file that it opens gets
    the number of a standard stream, to which libraries print. Standard input stays closed for Python, so that reading
    it can be reported.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)

    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _nowhere() -> TextIO:
    # The descriptor belongs to the process, or Python would warn about a stream that is never closed.
    return open(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False)


def say(message: str, *, err: bool = False) -> None:
    """Print a message, in which names from outside cannot act on the terminal.

    A line of it after the first starts with two spaces; a line break without them is one of a name.
    """
    print(printable_message(message), file=sys.stderr if err else sys.stdout, flush=True)


def print_data(text: str, *, err: bool = False) -> None:
    """Print data exactly as it is, up to a line break at its end; nothing for an empty text.

    On a terminal, characters that would act on it are replaced.
    """
    stream = sys.stderr if err else sys.stdout
    if text:
        stream.write(_ACTING.sub("\ufffd", text) if is_terminal(stream) else text)
    if text and not text.endswith("\n"):
        stream.write("\n")
    stream.flush()


def print_bytes(data: bytes) -> None:
    """Print bytes exactly as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; False for one that is closed, in place of which Python has None."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def is_live(stream: TextIO) -> bool:
    """Whether lines on a stream can be redrawn: on a terminal that can move its cursor."""
    return is_terminal(stream) and _term() not in ("dumb", "unknown") and _setting("TTY_COMPATIBLE") != "0"


def is_colored(stream: TextIO) -> bool:
    """Whether a stream gets color.

    NO_COLOR forbids it; FORCE_COLOR, CLICOLOR_FORCE and TTY_COMPATIBLE=1 ask for it anywhere; otherwise a terminal
    gets it. Of the last three, 0 is the same as unset.
    """
    if _setting("NO_COLOR"):
        return False
    forced = any(_setting(name) not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"))
    return forced or is_live(stream)


def width_of(stream: TextIO) -> int:
    """The columns of a terminal, of which COLUMNS is another statement; without a terminal there is no limit."""
    if not is_terminal(stream):
        return UNLIMITED
    stated = _setting("COLUMNS")
    if stated.isdecimal() and int(stated):
        return int(stated)
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    except (OSError, ValueError):
        return USUAL_WIDTH


def _setting(name: str) -> str:
    return os.environ.get(name, "")


def _term() -> str:
    return _setting("TERM").lower()
