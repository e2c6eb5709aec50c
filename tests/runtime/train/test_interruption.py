from __future__ import annotations

import os
import signal

import pytest

from hvaedsl_runtime.train import interruption as subject
from hvaedsl_runtime.train.interruption import (
    SIGNALS,
    Interruption,
    InterruptionError,
    StopSignal,
    harmless_signals,
    not_ignored,
    stop_signals_raised,
)


def test_the_first_signal_is_noted_and_the_second_leaves() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        assert interruption.received is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.received is signal.SIGTERM
        with pytest.raises(InterruptionError):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_that_would_end_the_process_is_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # from a launcher that was sent it as well
        assert interruption.received is number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_only_some_signals_are_impatient(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SAME_REQUEST_SECONDS", 0.0)
    with Interruption() as interruption:
        os.kill(os.getpid(), number)
        if number in (signal.SIGINT, signal.SIGTERM):
            with pytest.raises(InterruptionError):
                os.kill(os.getpid(), number)
        else:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.received is number


def test_where_nothing_is_lost_the_first_leaves() -> None:
    with Interruption() as interruption:
        with pytest.raises(InterruptionError), interruption.nothing_to_lose():
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.received is signal.SIGINT


def test_one_that_came_before_leaves_at_once() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptionError), interruption.nothing_to_lose():
            pytest.fail("entered")


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert not_ignored((signal.SIGINT, signal.SIGTERM)) == [signal.SIGTERM]
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.received is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert interruption.received is signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigusr2_asks_for_a_checkpoint_and_stops_nothing() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    with harmless_signals():
        os.kill(os.getpid(), signal.SIGUSR2)  # before the run is prepared
        with Interruption() as interruption:
            assert not interruption.save_requested
            with interruption.nothing_to_lose():
                os.kill(os.getpid(), signal.SIGUSR2)
                os.kill(os.getpid(), signal.SIGUSR2)
            assert (interruption.save_requested, interruption.received) == (True, None)
    assert signal.getsignal(signal.SIGUSR2) is before


def test_sigusr2_while_a_run_is_prepared_is_not_forgotten() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    with harmless_signals():
        interruption = Interruption()
        with interruption.save_requests():
            os.kill(os.getpid(), signal.SIGUSR2)
            with interruption:
                assert (interruption.save_requested, interruption.received) == (True, None)
                interruption.save_requested = False
            os.kill(os.getpid(), signal.SIGUSR2)
            assert interruption.save_requested
    assert signal.getsignal(signal.SIGUSR2) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_training_is_raised(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(StopSignal) as caught, stop_signals_raised():
        os.kill(os.getpid(), number)
    assert caught.value.received is number
    assert signal.getsignal(number) is before


def test_sigquit_prints_the_stacks_and_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    with harmless_signals():
        os.kill(os.getpid(), signal.SIGQUIT)
    assert "in test_sigquit_prints_the_stacks_and_goes_on" in capfd.readouterr().err
