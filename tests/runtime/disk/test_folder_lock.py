"""One process at a time writes into a folder; nothing of a lock outlives its process."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvaedsl import Program
from hvaedsl.diagnostics.errors import DataNotFound, RunFolderInUse, RunNotFound, WriteError
from hvaedsl_runtime.disk import folder_lock as locks
from hvaedsl_runtime.disk.folder_lock import LOCK, check_unlocked, folder_lock
from hvaedsl_runtime.disk.lock_holder import Holder
from hvaedsl_runtime.disk.metrics import MetricsLog
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.whole_files import put_folder_in_place, write_whole
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

fcntl = pytest.importorskip("fcntl", reason="locks are supported only on POSIX")
ME = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.0)


def test_a_locked_folder_names_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "small"
    with folder_lock(folder) as descriptor:
        assert descriptor is not None
        for refused in (folder_lock(folder).__enter__, lambda: check_unlocked(folder)):
            with pytest.raises(RunFolderInUse) as caught:
                refused()
            assert re.fullmatch(
                rf"{folder} is in use by {ME}, since [\d-]+ [\d:+-]+; last heartbeat \d seconds ago", str(caught.value)
            )
            assert "--out" in caught.value.help
            assert caught.value.exit_code == 5
        (folder / LOCK).write_text("")  # on a full disk, the process cannot say who it is
        with pytest.raises(RunFolderInUse, match="is in use by another process"):
            check_unlocked(folder)
    check_unlocked(folder)


def test_a_lock_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "new", "full"):
        with folder_lock(tmp_path / name):
            if name == "full":
                (tmp_path / name / "result").touch()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["full", "full/result", "there"]


def test_a_lock_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 10.0)
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.0)
    first = folder_lock(tmp_path)
    first.__enter__()

    def ended(_: float) -> None:
        first.__exit__(None, None, None)
        monkeypatch.undo()

    monkeypatch.setattr(time, "sleep", ended)
    with folder_lock(tmp_path) as descriptor:
        assert descriptor is not None
    [message] = caplog.messages
    assert message.startswith(f"waiting for {tmp_path}, in use by {ME}, since ")
    assert message.endswith(", 10 seconds at most")


@pytest.fixture(params=[errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def no_flock(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", unsupported)


@pytest.fixture
def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", unsupported)


def write_lock(folder: Path, *, age: float = 0.0, **changes: Any) -> None:
    """A lock of this process with another token, or with changes; last renewed `age` seconds ago."""
    holder = Holder.this_process().model_copy(update=changes)
    (folder / LOCK).write_text(holder.model_dump_json())
    os.utime(folder / LOCK, times=(time.time() - age,) * 2)


@pytest.mark.usefixtures("no_flock")
def test_without_flock_a_folder_is_locked_all_the_same(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "run") as descriptor:
        assert descriptor is None
        for refused in (folder_lock(tmp_path / "run").__enter__, lambda: check_unlocked(tmp_path / "run")):
            with pytest.raises(RunFolderInUse, match=f"is in use by {ME}"):
                refused()
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_hard_links")
def test_without_hard_links_the_file_is_written_with_its_name(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "run") as descriptor:
        assert descriptor is not None
        with pytest.raises(RunFolderInUse, match=f"is in use by {ME}"), folder_lock(tmp_path / "run"):
            pass
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize("gone", [{"pid": 2**22 + 1}, {"started": "1"}], ids=["no such process", "another start"])
def test_a_process_of_this_host_that_is_gone_loses_its_lock_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, gone: dict[str, Any]
) -> None:
    write_lock(tmp_path, **gone)
    check_unlocked(tmp_path)
    with folder_lock(tmp_path):
        assert Holder.read((tmp_path / LOCK).read_bytes()) != Holder.this_process()
        with pytest.raises(RunFolderInUse):
            check_unlocked(tmp_path)
    [message] = caplog.messages
    assert message.startswith(f"{tmp_path}: taking over the lock of process ")
    assert message.endswith(": it has ended")
    assert list(tmp_path.iterdir()) == []


ELSEWHERE: dict[str, Any] = {"host": "node7", "boot": "another", "pid": 4711}


@pytest.mark.parametrize("ahead", [-86_400.0, 0.0, 86_400.0])
def test_a_process_of_another_host_keeps_its_lock_for_two_minutes_after_its_last_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    """The clock of this machine may be a day ahead of that of the file system, or behind."""
    write_lock(tmp_path, **ELSEWHERE, age=20.0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + ahead)
    for refused in (folder_lock(tmp_path).__enter__, lambda: check_unlocked(tmp_path)):
        with pytest.raises(RunFolderInUse, match=r"process 4711 on node7, since .*; last heartbeat 2\d seconds ago"):
            refused()

    os.utime(tmp_path / LOCK, times=(now - 130.0,) * 2)
    check_unlocked(tmp_path)
    with folder_lock(tmp_path):
        pass
    assert "taking over the lock of process 4711 on node7" in caplog.text
    assert caplog.messages[0].endswith(": its last heartbeat was 2 minutes ago")


def test_a_late_heartbeat_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(tmp_path, **ELSEWHERE, age=100.0)
    waits = 0

    def later(_: float) -> None:
        nonlocal waits
        waits += 1
        os.utime(tmp_path / LOCK, times=(time.time() - 100.0 - 10.0 * waits,) * 2)

    monkeypatch.setattr(time, "sleep", later)
    with folder_lock(tmp_path):
        assert waits in (2, 3)


def test_of_many_that_take_over_at_once_one_wins(tmp_path: Path) -> None:
    for _ in range(20):
        write_lock(tmp_path, **ELSEWHERE, age=1000.0)
        barrier = threading.Barrier(8)
        winners: list[locks.FolderLock] = []
        losers: list[RunFolderInUse] = []

        def take(barrier: threading.Barrier, winners: list[locks.FolderLock], losers: list[RunFolderInUse]) -> None:
            barrier.wait()
            try:
                winners.append(locks._acquired(tmp_path))
            except RunFolderInUse as error:
                losers.append(error)

        threads = [threading.Thread(target=take, args=(barrier, winners, losers)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(losers)) == (1, 7)
        winners[0].release()
        assert winners[0].descriptor is not None
        os.close(winners[0].descriptor)
        assert list(tmp_path.iterdir()) == []


def test_a_takeover_that_was_killed_is_forgotten(tmp_path: Path) -> None:
    write_lock(tmp_path, **ELSEWHERE, age=1000.0)
    (tmp_path / locks.TAKEOVER).touch()
    os.utime(tmp_path / locks.TAKEOVER, times=(time.time() - 31.0,) * 2)
    with folder_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_lost_its_lock_writes_nothing(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        write_whole(tmp_path / "before", "")
        write_lock(tmp_path, **ELSEWHERE)
        for write in (write_whole, lambda path, _: put_folder_in_place(path).__enter__()):
            with pytest.raises(RunFolderInUse, match=r"process 4711 on node7, since .* has taken it over"):
                write(tmp_path / "after", "")
        write_whole(tmp_path.parent / "elsewhere", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, "before"]


def test_so_does_one_whose_successor_has_finished(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        (tmp_path / LOCK).unlink()
        with pytest.raises(RunFolderInUse, match="its lock was removed or taken over"):
            write_whole(tmp_path / "after", "")
        with folder_lock(tmp_path), pytest.raises(RunFolderInUse):  # it stays lost
            locks._held[0].check(within=60.0)
    assert list(tmp_path.iterdir()) == []


def test_a_line_of_the_metrics_reads_the_lock_only_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(locks, "_awake_and_asleep", lambda: now)
    with folder_lock(tmp_path):
        log = MetricsLog(tmp_path / "metrics.jsonl", 0)
        write_lock(tmp_path, **ELSEWHERE)
        log.write({"step": 1, "split": "train"})  # the lock cannot be stale yet
        now += 31.0
        with pytest.raises(RunFolderInUse):
            log.write({"step": 2, "split": "train"})
        log.close(failed=True)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_heartbeat_renews_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.01)
    with folder_lock(tmp_path):
        os.utime(tmp_path / LOCK, times=(0.0, 0.0))
        until = time.monotonic() + 30.0
        while (tmp_path / LOCK).stat().st_mtime == 0.0 and time.monotonic() < until:
            time.sleep(0.01)
        assert (tmp_path / LOCK).stat().st_mtime > 0.0


def test_a_lock_that_was_copied_with_its_folder_locks_nothing(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "run"):
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        check_unlocked(tmp_path / "copy")


def test_a_killed_process_leaves_a_file_that_locks_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hvaedsl_runtime.disk.folder_lock import folder_lock\n"
        "with folder_lock(Path(sys.argv[1])):\n    print('locked', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(RunFolderInUse, match=f"in use by process {holder.pid} on "), folder_lock(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert (tmp_path / LOCK).exists()
    with folder_lock(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_a_folder_that_refuses_a_lock_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> tuple[int, str]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    with pytest.raises(WriteError, match="cannot be written: Read-only file system") as caught:
        folder_lock(tmp_path, "do something else").__enter__()
    assert caught.value.help == "make it writable, or do something else"


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_folder_is_claimed_once(tmp_path: Path, resume: bool) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.claimed(resume):
        folder.begin("small", "hvae 1\n")
        with pytest.raises(RunFolderInUse, match="is in use by process"), folder.claimed(resume):
            pass
    with pytest.raises(RunFolderInUse, match="is not empty"), folder.claimed(resume=False):
        pass
    with folder.claimed(resume=True):
        pass
    assert not (folder.path / LOCK).exists()


def test_a_folder_with_other_content_gets_no_lock(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for resume, kind in ((False, RunFolderInUse), (True, RunNotFound)):
        with pytest.raises(kind), RunFolder(tmp_path).claimed(resume):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_killed_run_left_before_it_began_is_free(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    with RunFolder(tmp_path).claimed(resume=False):
        pass


def test_a_second_training_is_refused_before_it_begins(tmp_path: Path, compiled: Callable[..., Program]) -> None:
    folder = RunFolder(tmp_path / "run")
    for resume in (False, True):
        with folder.claimed(resume=False), pytest.raises(RunFolderInUse, match="is in use by process"):
            train(compiled(), RunSettings(out=folder.path, resume=resume, device="cpu", threads=1))
    with pytest.raises(DataNotFound):
        train(compiled({"data.path": '"nowhere"'}), RunSettings(out=folder.path, device="cpu", threads=1))
    assert not folder.path.exists()
