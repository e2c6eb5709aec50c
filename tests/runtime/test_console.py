"""Output of a run that nobody reads, and its log."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl_runtime.console import LOG_VARIABLE, LastingConsole, start_logging


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_log_whose_disk_is_full_ends_no_run() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as log:
        console = LastingConsole(file=log)
        console.print("step 1")
        console.print("step 2")
        assert console.quiet
        assert os.fstat(log.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The logger of a module of the runtime; the level and the handlers of the runtime's are restored."""
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    runtime = logging.getLogger("hvaedsl_runtime")
    before = runtime.level, list(runtime.handlers)
    yield logging.getLogger("hvaedsl_runtime.somewhere")
    runtime.setLevel(before[0])
    runtime.handlers[:] = before[1]


def logged(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on stderr for one message of each level."""
    capsys.readouterr()
    for level in ("debug", "info", "warning"):
        getattr(logger, level)("of %s", level)
    return capsys.readouterr().err.splitlines()


def test_the_environment_sets_the_level_of_the_log(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging()
    assert logger.getEffectiveLevel() == logging.WARNING
    assert logging.getLogger("hvaedsl_runtime").handlers == []

    monkeypatch.setenv(LOG_VARIABLE, "Info")
    start_logging()
    start_logging()  # as in the second run of a process
    info, warning = ("INFO: hvaedsl_runtime.somewhere: of info", "WARNING: hvaedsl_runtime.somewhere: of warning")
    assert logged(logger, capsys) == [info, warning]
    start_logging("debug")
    assert logged(logger, capsys) == ["DEBUG: hvaedsl_runtime.somewhere: of debug", info, warning]


def test_a_process_of_several_logs_its_rank(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    start_logging("warning")
    assert logged(logger, capsys) == ["rank 3: WARNING: hvaedsl_runtime.somewhere: of warning"]


def test_an_unknown_level_is_one_error(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG_VARIABLE, "loud")
    levels = "it must be one of debug, info, warning, error"
    with pytest.raises(UsageError, match=f"the environment variable HVAEDSL_LOG is loud; {levels}"):
        start_logging()
    with pytest.raises(UsageError, match=f"the log level is low; {levels}"):
        start_logging("low")
