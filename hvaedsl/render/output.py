"""Draws DOT text into a file with the program `dot` if it is installed, otherwise with the libraries in pygraphviz."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import joined
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl.diagnostics.streams import say

_DOTS_PER_INCH = 192
Format = Literal["svg", "png", "pdf"]
Engine = Literal["nop2", "dot"]
# About the fonts of the system, which the pictures do not depend on: the text has room whichever font draws it.
_FONT_WARNING = re.compile(
    r"Fontconfig (error|warning): |\(.*\): (Pango|GLib|GLib-GObject)-(WARNING|CRITICAL) |Warning: no hard-coded metrics"
)


def render(dot: str, format: Format, engine: Engine = "nop2") -> bytes:  # noqa: A002 - Graphviz's word
    """Return the picture as bytes, with the given positions (nop2) or laid out by Graphviz (dot).

    Uses `dot` on the search path, or pygraphviz if it is missing or fails.

    Raises:
        UsageError: neither could draw it.
    """
    if format == "png":
        dot = _with_resolution(dot)
    failures: list[str] = []
    if shutil.which("dot"):
        try:
            return _with_program(dot, format, engine)
        except UsageError as error:
            failures.append(str(error))
    try:
        return _with_libraries(dot, format, engine)
    except UsageError as error:
        failures.append(str(error))
    raise UsageError(f"no picture: {'; '.join(failures)}")


def write(dot: str, path: Path, engine: Engine = "nop2") -> None:
    """Draw into a file in the format of its suffix.

    Raises:
        UsageError: unknown suffix, or no Graphviz.
        WriteError: the file cannot be written.
    """
    picture = render(dot, _format_of(path), engine)
    with refusals_explained(path):
        path.write_bytes(picture)


def _format_of(path: Path) -> Format:
    suffix = path.suffix.removeprefix(".").lower()
    formats: tuple[Format, ...] = get_args(Format)
    for known in formats:
        if suffix == known:
            return known
    raise UsageError(f"{path}: the file name must end in {listing(f'.{known}' for known in formats)}")


def _with_resolution(dot: str) -> str:
    """Set a resolution for print, which only PNG needs."""
    body, brace, rest = dot.rpartition("}")
    return f"{body}  graph [dpi={_DOTS_PER_INCH}];\n{brace}{rest}"


def _with_program(dot: str, format: Format, engine: Engine) -> bytes:  # noqa: A002 - Graphviz's word
    import graphviz

    try:
        if engine == "nop2":
            picture = graphviz.Source(dot, engine="neato").pipe(format=format, neato_no_op=2, quiet=True)
        else:
            picture = graphviz.Source(dot, engine=engine).pipe(format=format, quiet=True)
    except graphviz.CalledProcessError as error:
        reason = _without_font_warnings((error.stderr or b"").decode(errors="replace"))
        raise UsageError(f"Graphviz's program could not draw {format}: {joined(reason or error)}") from error
    except (OSError, graphviz.ExecutableNotFound) as error:
        raise UsageError(f"Graphviz's program could not be run: {joined(error)}") from error
    assert isinstance(picture, bytes)
    return picture


def _with_libraries(dot: str, format: Format, engine: Engine) -> bytes:  # noqa: A002 - Graphviz's word
    try:
        import pygraphviz
    except ImportError as error:
        # It is missing, or a library of the system that it needs.
        why = f"pygraphviz cannot be imported ({joined(error)})"
        raise UsageError(f"{why}: install it from version 2.0, or Graphviz's programs") from error

    with _captured_stderr() as captured:
        try:
            picture = pygraphviz.AGraph(string=dot).draw(format=format, prog=engine)  # nop2 is what `neato -n2` does
        except (ValueError, OSError) as error:
            reason = _without_font_warnings(captured()) or error
            raise UsageError(f"pygraphviz could not draw {format}: {joined(reason)}") from error
        messages = _without_font_warnings(captured())

    for message in messages.splitlines():
        say(f"warning: Graphviz: {message.removeprefix('Warning: ')}", err=True)
    assert isinstance(picture, bytes)
    return picture


def _without_font_warnings(messages: str) -> str:
    return "\n".join(line for line in messages.splitlines() if line.strip() and not _FONT_WARNING.match(line))


@contextmanager
def _captured_stderr() -> Iterator[Callable[[], str]]:
    """Capture what C libraries of this process write to standard error; yields a function that returns it so far."""
    with tempfile.TemporaryFile() as file:

        def captured() -> str:
            file.seek(0)
            return file.read().decode(errors="replace")

        try:
            original = os.dup(2)
        except OSError:  # standard error is closed: there is nothing to capture
            yield captured
            return
        sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            yield captured
        finally:
            os.dup2(original, 2)
            os.close(original)
