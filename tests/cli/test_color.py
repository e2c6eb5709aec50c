"""Color and live drawing: NO_COLOR, FORCE_COLOR and the like decide on color; only a terminal is drawn on."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from hvaedsl.diagnostics.streams import is_colored, is_live
from tests.cli.pty_session import DECIDING, environment, in_pipe, on_terminal, program_on_terminal

FORCING = ({"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1"}, {"TTY_COMPATIBLE": "1"})
BROKEN = ("compile", "digits", "--set", "model.widht=1")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("settings", "live", "colored", "colored_in_pipe"),
    [
        ({}, True, True, False),
        ({"NO_COLOR": "1"}, True, False, False),
        ({"NO_COLOR": ""}, True, True, False),
        ({"FORCE_COLOR": "1"}, True, True, True),
        ({"FORCE_COLOR": "0"}, True, True, False),
        ({"FORCE_COLOR": ""}, True, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True, True),
        ({"TTY_COMPATIBLE": "1"}, True, True, True),
        ({"TTY_COMPATIBLE": "0"}, False, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False, False),
        ({"TERM": "dumb"}, False, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True, True),
    ],
)
def test_the_two_decisions(
    settings: dict[str, str], live: bool, colored: bool, colored_in_pipe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DECIDING:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **settings}.items():
        monkeypatch.setenv(name, value)
    assert (is_live(Terminal()), is_colored(Terminal())) == (live, colored)
    assert (is_live(io.StringIO()), is_colored(io.StringIO())) == (False, colored_in_pipe)


@pytest.mark.parametrize("forced", FORCING, ids=" ".join)
def test_forced_color_in_a_pipe(forced: dict[str, str]) -> None:
    for arguments in (BROKEN, ("compile", "no-such-spec")):
        assert "\x1b[1;31merror" in in_pipe(*arguments, cwd=None, **forced).stderr
        assert "\x1b" not in in_pipe(*arguments, cwd=None, NO_COLOR="1", **forced).stderr
        assert "\x1b" not in in_pipe(*arguments).stderr


@pytest.mark.parametrize("arguments", [("--help",), ("analyze", "--help")], ids=" ".join)
def test_help(arguments: tuple[str, ...]) -> None:
    assert "\x1b[" in on_terminal(*arguments).raw
    assert "\x1b[" not in in_pipe(*arguments).stdout
    assert "\x1b[" in in_pipe(*arguments, FORCE_COLOR="1").stdout
    assert "\x1b[" not in in_pipe(*arguments, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_terminal() -> None:
    assert "\x1b[1;31merror" in on_terminal(*BROKEN).raw
    assert "\x1b[31m" not in on_terminal(*BROKEN, NO_COLOR="1").raw
    assert "\x1b" not in on_terminal(*BROKEN, TERM="dumb").raw


BAR = """
import time
from hvaedsl_runtime.console import image_bar
with image_bar("test [/wip] :smile: \\x1b[2J", 4) as advance:
    for _ in range(4):
        advance(1)
        time.sleep(0.06)
print("result")
"""


@pytest.mark.parametrize("forced", [{}, *FORCING, {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1"}], ids=" ".join)
def test_a_bar_is_never_drawn_into_a_pipe(forced: dict[str, str]) -> None:
    ended = subprocess.run(
        (sys.executable, "-c", BAR), capture_output=True, text=True, env=environment(**forced), check=True
    )
    assert (ended.stdout, ended.stderr) == ("result\n", "")


@pytest.mark.parametrize("columns", [30, 80])
def test_a_bar_on_a_terminal(columns: int) -> None:
    shown = program_on_terminal(sys.executable, "-c", BAR, columns=columns)
    assert shown.code == 0
    assert "4/4" in shown.text
    assert "\x1b[2J" not in shown.raw
    assert ":smile:" in shown.text
    assert "[/wip]" in shown.text
