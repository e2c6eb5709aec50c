"""DOT text to a picture file, with Graphviz's program where it is installed, else with the libraries in pygraphviz."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal, get_args

from hvaedsl.diagnostics.errors import UsageError

_DOTS_PER_INCH = 192
Format = Literal["svg", "png", "pdf"]
Engine = Literal["nop2", "dot"]


def render(dot: str, format: Format, engine: Engine = "nop2") -> bytes:  # noqa: A002 - Graphviz's word
    """The picture as bytes, with positions as they are given (nop2), or laid out by Graphviz (dot).

    Drawn by `dot` on the search path, or where that is missing or fails, by pygraphviz.

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
    """Draw into a file; its suffix names the format.

    Raises:
        UsageError: another suffix, a file that cannot be written, or no Graphviz.
    """
    picture = render(dot, _format_of(path), engine)
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"{path}: the picture cannot be written: {error.strerror}") from error


def _format_of(path: Path) -> Format:
    suffix = path.suffix.removeprefix(".").lower()
    formats: tuple[Format, ...] = get_args(Format)
    for known in formats:
        if suffix == known:
            return known
    raise UsageError(f"{path}: a picture's file name ends in one of {', '.join(f'.{known}' for known in formats)}")


def _with_resolution(dot: str) -> str:
    """Pixels fine enough for print; the other formats have none."""
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
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise UsageError(f"Graphviz's program could not draw {format}: {said or error}") from error
    except (OSError, graphviz.ExecutableNotFound) as error:
        raise UsageError(f"Graphviz's program could not be run: {error}") from error
    assert isinstance(picture, bytes)
    return picture


def _with_libraries(dot: str, format: Format, engine: Engine) -> bytes:  # noqa: A002 - Graphviz's word
    try:
        import pygraphviz
    except ImportError as error:
        why = f"pygraphviz cannot be imported ({error})"  # it is missing, or a library of the system that it needs
        raise UsageError(f"{why}: install it from version 2.0, or Graphviz's programs") from error
    try:
        picture = pygraphviz.AGraph(string=dot).draw(format=format, prog=engine)  # nop2 is what `neato -n2` does
    except (ValueError, OSError) as error:
        raise UsageError(f"pygraphviz could not draw {format}: {error}") from error
    assert isinstance(picture, bytes)
    return picture
