from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hvaedsl_runtime.heartbeat import Beat, Heartbeat, beat_file
from hvaedsl_runtime.launch import hang
from hvaedsl_runtime.launch.hang import HangClock, behind, state_of


def beat(rank: int, number: int, step: int = 0, *, waiting: bool = False, long: bool = False) -> Beat:
    return Beat(100 + rank, rank, number, "training", step, waiting, long)


def ticks(clock: HangClock, *rows: tuple[float, Mapping[int, Beat | None]]) -> list[bool]:
    return [clock.tick(beats, now) for now, beats in rows]


def test_a_process_without_beats_hangs_after_the_limit() -> None:
    clock = HangClock(10.0)
    stuck = {0: beat(0, 1), 1: beat(1, 1)}
    moving = [(float(now), {0: beat(0, now), 1: beat(1, 1)}) for now in range(1, 10)]
    assert not any(ticks(clock, (0.0, stuck), *moving))
    assert ticks(clock, (10.0, {0: beat(0, 10), 1: beat(1, 1)})) == [True]
    assert clock.idle == {0: 0.0, 1: 10.0}


def test_one_that_waits_for_the_others_does_not() -> None:
    clock = HangClock(10.0)
    rows = [(float(now), {0: beat(0, now), 1: beat(1, 1, waiting=True)}) for now in range(100)]
    assert not any(ticks(clock, *rows))


def test_all_that_wait_for_each_other_do() -> None:
    clock = HangClock(10.0)
    rows = [(float(now), {0: beat(0, 1, waiting=True), 1: beat(1, 1, waiting=True)}) for now in range(11)]
    assert ticks(clock, *rows) == [False] * 10 + [True]


def test_a_phase_without_limit_does_not_however_long_the_others_wait() -> None:
    clock = HangClock(10.0)
    rows = [(float(now), {0: beat(0, 1, long=True), 1: beat(1, 1, waiting=True)}) for now in range(100)]
    assert not any(ticks(clock, *rows))


@pytest.mark.parametrize(("limit", "ends"), [(10.0, 300), (400.0, 400)])
def test_processes_that_never_begin_hang_after_five_minutes_or_the_limit(limit: float, ends: int) -> None:
    clock = HangClock(limit)
    rows = [(float(now), {0: None, 1: None}) for now in range(ends + 1)]
    assert ticks(clock, *rows) == [False] * ends + [True]


@pytest.mark.parametrize("asleep", [6.0, 1e6])
def test_a_watcher_that_was_asleep_starts_its_count_again(asleep: float) -> None:
    clock = HangClock(10.0)
    stuck = {0: beat(0, 1)}
    before = [(float(now), stuck) for now in range(9)]
    after = [(8.0 + asleep + now, stuck) for now in range(11)]
    assert ticks(clock, *before, *after) == [False] * 19 + [True]


@pytest.mark.parametrize(
    ("beats", "idle", "answers", "rank"),
    [
        ({0: beat(0, 1, 7), 1: beat(1, 1, 7)}, {0: 10.0, 1: 11.0}, {0: "stack"}, 1),
        ({0: beat(0, 1, 7, waiting=True), 1: beat(1, 1, 7)}, {0: 20.0, 1: 11.0}, {0: "stack", 1: "stack"}, 1),
        ({0: beat(0, 1, 7), 1: beat(1, 1, 6)}, {0: 20.0, 1: 11.0}, {0: "stack", 1: "stack"}, 1),
        ({0: beat(0, 1, 7), 1: beat(1, 1, 7)}, {0: 10.0, 1: 11.0}, {0: "stack", 1: "stack"}, 1),
        ({0: beat(0, 1, 7), 1: None}, {0: 10.0, 1: 11.0}, {0: "stack"}, 1),
    ],
    ids=["no answer", "does not wait", "fewer steps", "oldest", "not begun"],
)
def test_who_is_behind(
    beats: dict[int, Beat | None], idle: dict[int, float], answers: dict[int, str], rank: int
) -> None:
    assert behind(beats, idle, answers) == rank


def test_a_beat_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = beat_file(tmp_path, 3)
    assert Beat.read(path) is None
    heart = Heartbeat(3, path)
    heart("evaluating test images", 12)
    assert Beat.read(path) == heart.current == Beat(os.getpid(), 3, 1, "evaluating test images", 12)
    with heart.marked(is_waiting=True):
        found = Beat.read(path)
        assert found == heart.current
        assert str(found) == "evaluating test images, after step 12, waiting for the other processes"
    assert Beat.read(path) == Beat(os.getpid(), 3, 3, "evaluating test images", 12)
    path.write_bytes(b"77 3")
    assert Beat.read(path) is None


def test_beats_of_one_phase_and_step_are_written_at_most_every_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    heart = Heartbeat(0, tmp_path / "beat")
    for _ in range(5):
        heart("evaluating", 1)
    found = Beat.read(tmp_path / "beat")
    assert found is not None
    assert (found.number, heart.current.number) == (1, 5)
    now += 1.0
    heart("evaluating", 1)
    assert Beat.read(tmp_path / "beat") == heart.current


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_the_state_of_a_process_is_read() -> None:
    assert "State: " in state_of(os.getpid())
    assert state_of(2**22 + 1) == "  it has no entry in /proc"


def test_a_time_is_told_in_minutes_or_seconds() -> None:
    assert [hang.minutes(value) for value in (10.0, 1.0, 2.5, 0.05)] == [
        "10 minutes",
        "1 minute",
        "2.5 minutes",
        "3 seconds",
    ]


HANGS = """
import sys, time
from pathlib import Path
from hvaedsl_runtime.heartbeat import beat
from hvaedsl_runtime.launch.hang import watching_itself
from hvaedsl_runtime.train.settings import RunSettings
settings = RunSettings(out=Path("runs/a"), device="cpu", hang_timeout=0.02)
with watching_itself(settings):
    for step in range(20):
        beat("training", step)
        time.sleep(0.1)
    beat("training", 20)
    def never_returns():
        time.sleep(600)
    never_returns()
"""


@pytest.mark.long
def test_a_single_process_that_hangs_ends_itself_with_stacks_and_the_way_on() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 7, ended.stderr
    assert "error: no progress for 1.2 seconds: training, after step 20; the stacks" in ended.stderr
    assert "in never_returns" in ended.stderr
    assert "resume with: hvaedsl train runs/a/spec.hvae --out runs/a --resume" in ended.stderr
