from __future__ import annotations

import os
import signal

import pytest

from hvaedsl_runtime.train.interruption import Interruption, InterruptionError, not_ignored


def test_the_first_signal_is_noted_and_the_second_leaves() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        assert interruption.received is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.received is signal.SIGTERM
        with pytest.raises(InterruptionError):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


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
