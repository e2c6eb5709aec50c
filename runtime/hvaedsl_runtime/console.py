"""Output of a run: a progress bar on a terminal, plain lines elsewhere; and the log."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TextIO

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import printable_lines
from hvaedsl.report.terminal import PlainConsole, console, console_of

PLAIN_LINES_PER_RUN = 20
NARROW = 60  # columns; a bar with all its figures would be many lines high
LOG_VARIABLE = "HVAEDSL_LOG"
LOG_LEVELS = ("debug", "info", "warning", "error")


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the current sys.stderr, which a progress bar replaces while it is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    def format(self, record: logging.LogRecord) -> str:
        """The line, in which names from outside cannot act on the terminal."""
        return printable_lines(super().format(record))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute there
        """The stream to write to."""
        return sys.stderr


def start_logging(level: str | None = None) -> None:
    """Print the runtime's log on stderr from `level` on: debug, info, warning or error.

    `level` defaults to the environment variable HVAEDSL_LOG; if that is not set either, Python's own default remains,
    which prints warnings and errors. Raises UsageError for an unknown level.
    """
    name = level or os.environ.get(LOG_VARIABLE, "")
    if not name:
        return
    if name.lower() not in LOG_LEVELS:
        place = "the log level" if level else f"the environment variable {LOG_VARIABLE}"
        raise UsageError(f"{place} is {name}; it must be one of {', '.join(LOG_LEVELS)}")

    logger = logging.getLogger("hvaedsl_runtime")
    logger.setLevel(name.upper())
    if not any(isinstance(handler, StderrHandler) for handler in logger.handlers):
        rank = f"rank {os.environ['RANK']}: " if "RANK" in os.environ else ""
        handler = StderrHandler()
        handler.setFormatter(logging.Formatter(f"{rank}%(levelname)s: %(name)s: %(message)s"))
        logger.addHandler(handler)


class SpeedColumn(ProgressColumn):
    """Steps and images per second; only images while a split is evaluated."""

    def __init__(self, images_per_step: int) -> None:
        super().__init__(Column(overflow="fold"))
        self.images_per_step = images_per_step

    def render(self, task: Task) -> Text:
        """The speed of a task as estimated by rich."""
        if not task.speed:
            return Text("")
        if task.fields["counts_images"]:
            return Text(f"{task.speed:.0f} images/s")
        return Text(f"{task.speed:.3g} steps/s, {task.speed * self.images_per_step:.0f} images/s")


@contextmanager
def image_bar(description: str, images: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar over images on a terminal. Call what it yields with the number of images just done."""
    screen = console()
    if not screen.is_terminal:
        yield lambda _: None
        return

    with Progress(*image_columns(), console=screen, transient=True) as bar:
        task = bar.add_task(description, total=images)

        def advance(done: int) -> None:
            bar.advance(task, done)

        yield advance


def image_columns() -> Iterator[ProgressColumn]:
    """The columns of a bar over images. On a narrow terminal the description folds, and no figure is cut."""
    yield TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))
    yield BarColumn(bar_width=20)
    yield MofNCompleteColumn(table_column=Column(no_wrap=True))
    yield TimeRemainingColumn(table_column=Column(no_wrap=True))


class LastingConsole(PlainConsole):
    """A console that does not end the run if its reader exits, as in `train ... | head`, or its disk is full."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; after the first failure, print nothing more."""
        try:
            super().print(*objects, **options)
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Print nothing more. By default, rich ends the process here."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class TrainingDisplay:
    """Shows the steps of a run and its evaluations; `silent` in every process but the first."""

    def __init__(self, *, steps: int, start: int, images_per_step: int, silent: bool) -> None:
        self.console = console_of(LastingConsole, quiet=silent, soft_wrap=True)
        self.steps = steps
        self.images_per_step = images_per_step

        # Without a terminal, or on a narrow one, some plain lines in place of the bar.
        self._plain = silent or not self.console.is_terminal or self.console.width < NARROW
        self._line_every = max(1, steps // PLAIN_LINES_PER_RUN)
        self._last_line = (start, time.monotonic())

        self._bar = Progress(
            *image_columns(),
            TextColumn("{task.fields[values]}", markup=False, table_column=Column(overflow="fold")),
            SpeedColumn(images_per_step),
            console=self.console,
            disable=self._plain,
        )
        self._training: TaskID = self._bar.add_task(
            "training", total=steps, completed=start, values="", counts_images=False
        )

    def __enter__(self) -> Self:
        if not self._plain:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._plain:
            with suppress(OSError):  # a closed terminal is no reason to end otherwise
                self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line."""
        self.console.print(line)

    def step_done(self, done: int, loss: float, unit: str, gradient_norm: float, *, applied: bool) -> None:
        """Show the result of the step after which `done` steps are done; the loss in a unit such as bits/dim."""
        values = f"{loss:.3f} {unit}, gradient {gradient_norm:.3g}"
        if not applied:
            values += ", skipped"
        if not self._plain:
            self._bar.update(self._training, completed=done, values=values)
        elif done % self._line_every == 0 or done == self.steps:
            since, started = self._last_line
            seconds = time.monotonic() - started
            speed = (done - since) / seconds if seconds > 0 else 0.0
            left = timedelta(seconds=round((self.steps - done) / speed)) if speed > 0 else "unknown time"
            rates = f"{speed:.3g} steps/s, {speed * self.images_per_step:.0f} images/s, {left} left"
            self.say(f"step {done}/{self.steps}: {values}, {rates}")
            self._last_line = (done, time.monotonic())

    @contextmanager
    def evaluating(self, description: str, images: int) -> Iterator[Callable[[int], None]]:
        """Show the progress of an evaluation. Call what it yields with the number of images just done."""
        task = self._bar.add_task(description, total=images, values="", counts_images=True)

        def advance(done: int) -> None:
            self._bar.advance(task, done)

        yield advance
        self._bar.remove_task(task)
