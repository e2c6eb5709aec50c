"""The one place that makes rich consoles.

Text from outside, such as a path, is never read as markup or as the name of an emoji, and its control characters are
replaced. Our own styles are `Text` with a style.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TextIO, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from hvaedsl.diagnostics.printable import printable_lines
from hvaedsl.diagnostics.streams import UNLIMITED, is_colored, is_live, is_terminal, width_of

HEIGHT = 25  # without it rich ignores the width; nothing else depends on it

NO_MARKUP: Mapping[str, Any] = MappingProxyType(
    {"markup": False, "emoji": False, "highlight": False, "force_jupyter": False}
)


class PlainConsole(Console):
    """A console for text from outside. A closed pipe is an exception here, not the end of the process."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, with characters that would act on a terminal replaced."""
        return super().render_str(printable_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable; those with text from outside are printable."""
        for segment in super().render(renderable, options):
            safe = segment.control or segment.text.isprintable()
            yield segment if safe else Segment(printable_lines(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Raise the error again. By default, rich ends the process here with exit code 1."""
        error = sys.exception()
        raise error if error is not None else BrokenPipeError


Kind = TypeVar("Kind", bound=PlainConsole)


def console(file: TextIO | None = None, *, err: bool = False) -> PlainConsole:
    """A console on `file`: by default stdout, or stderr if `err`."""
    return console_of(PlainConsole, file, err=err)


def console_of(
    kind: type[Kind], file: TextIO | None = None, *, err: bool = False, quiet: bool = False, soft_wrap: bool = False
) -> Kind:
    """The same of another class; `quiet` prints nothing, `soft_wrap` leaves long lines to the terminal."""
    stream = file or (sys.stderr if err else sys.stdout)
    live = is_live(stream)
    return kind(
        file=file,
        stderr=err,
        quiet=quiet,
        soft_wrap=soft_wrap,
        width=None if live else width_of(stream),  # rich follows the width of a live terminal, which may change
        height=None if live else HEIGHT,
        force_terminal=live,
        force_interactive=live,
        color_system=color_system(stream),
        **NO_MARKUP,
    )


def text_console(file: TextIO, width: int = UNLIMITED) -> PlainConsole:
    """A console that writes plain text into a file, whatever the environment says."""
    return PlainConsole(
        file=file, width=width, height=HEIGHT, force_terminal=False, color_system=None, no_color=True, **NO_MARKUP
    )


def color_system(stream: TextIO) -> Literal["auto", "standard"] | None:
    """The colors of a console: what the terminal states, the 16 standard ones in a pipe, or none."""
    if not is_colored(stream):
        return "auto" if is_live(stream) else None  # with NO_COLOR, a terminal still shows bold text
    return "auto" if is_terminal(stream) else "standard"
