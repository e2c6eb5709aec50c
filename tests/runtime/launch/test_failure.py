"""A failure crosses processes as the exception that it was."""

from __future__ import annotations

import signal
from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import (
    CompilerBug,
    ExitCode,
    HvaedslError,
    NoUpdate,
    ProcessFailed,
    RunError,
    SpecError,
    Stopped,
    WriteError,
    error_types,
)
from hvaedsl_runtime.launch.failure import Failure
from tests.diagnostics.error_arguments import ARGUMENTS

MADE: list[Any] = [kind for kind in error_types() if kind not in (SpecError, RunError)]


def again(error: Exception) -> HvaedslError:
    return Failure.model_validate_json(Failure.of(error).model_dump_json()).error()


@pytest.mark.parametrize("kind", MADE, ids=[kind.__name__ for kind in MADE])
def test_every_error_comes_back_as_it_was(kind: Any) -> None:
    error = kind("what happened", help="the way out", **ARGUMENTS.get(kind, {}))
    back = again(error)
    assert type(back) is kind
    assert (str(back), back.help, back.exit_code) == (str(error), error.help, error.exit_code)
    assert back.details == error.details


def test_a_spec_with_errors_comes_back_with_its_places(capsys: pytest.CaptureFixture[str]) -> None:
    text = hvaedsl.load("digits").resolved_text().replace("8d2", "8d3")
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(text, path="broken.hvae")
    back = again(caught.value)
    assert isinstance(back, SpecError)
    assert [(item.code, item.message, str(item.span)) for item in back.diagnostics] == [
        (item.code, item.message, str(item.span)) for item in caught.value.diagnostics
    ]
    assert back.diagnostics[0].span.source.text == text
    Failure.of(caught.value).say()
    assert capsys.readouterr().err == f"error: {caught.value.report}"


def test_an_unexpected_exception_is_a_bug_with_its_traceback() -> None:
    try:
        dict[str, int]()["no such key"]
    except KeyError as error:
        failure = Failure.of(error)
    assert failure.is_bug
    assert type(failure.error()) is CompilerBug
    assert "KeyError: 'no such key' (test_an_unexpected" in failure.message
    assert "Traceback" in failure.traceback
    assert failure.error().report.startswith("a bug in hvaedsl, not in your spec: KeyError")


def test_failures_that_were_written_before_failures_had_kinds_are_read() -> None:
    before = Failure.model_validate({"message": "no update", "help": "lower it", "exit_code": 7, "refused": False})
    assert (str(before.error()), before.error().help, before.error().exit_code) == ("no update", "lower it", 7)
    refused = Failure.model_validate({"message": "full", "help": "make room", "exit_code": 5, "refused": True}).error()
    assert isinstance(refused, WriteError)
    assert (refused.remedy, refused.exit_code) == ("make room", 5)


def test_a_kind_of_another_version_keeps_its_message_and_code() -> None:
    data = Failure.of(NoUpdate("no update", help="lower it")).model_dump(mode="json") | {"kind": "Later", "more": 1}
    error = Failure.model_validate(data).error()
    assert (str(error), error.help, error.exit_code) == ("no update", "lower it", 7)


def test_every_class_has_an_exit_code_and_says_what_it_means() -> None:
    assert all(kind.__doc__ for kind in MADE)
    errors = [kind("x", **ARGUMENTS.get(kind, {})) for kind in MADE]
    plain = {error.exit_code for error in errors if not ARGUMENTS.get(type(error)) or isinstance(error, WriteError)}
    assert plain == set(ExitCode) - {ExitCode.SUCCESS, ExitCode.SPEC, ExitCode.SIGNAL}
    assert Stopped("x", signal=signal.SIGTERM).exit_code == 143


def test_a_violated_invariant_keeps_its_traceback() -> None:
    try:
        raise CompilerBug("the source has other steps")
    except CompilerBug as error:
        failure = Failure.of(error)
    assert failure.message == "the source has other steps"
    assert 'raise CompilerBug("the source has other steps")' in failure.traceback


def test_only_signals_that_stop_a_run_are_stops() -> None:
    assert Failure.of(Stopped("x", signal=signal.SIGINT)).is_stop
    assert Failure.of(Stopped("x", signal=signal.SIGUSR1)).is_stop
    assert Failure.of(ProcessFailed("x", status=-signal.SIGTERM)).is_stop
    assert not Failure.of(ProcessFailed("x", status=-signal.SIGKILL)).is_stop
    assert not Failure.of(NoUpdate("x")).is_stop
