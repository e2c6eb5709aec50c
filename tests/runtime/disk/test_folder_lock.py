"""One process at a time writes into a folder; nothing of a lock outlives its process."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl import Program
from hvaedsl.diagnostics.errors import DataNotFound, RunFolderInUse, RunNotFound, WriteError
from hvaedsl_runtime.disk import folder_lock as locks
from hvaedsl_runtime.disk.folder_lock import LOCK, check_unlocked, folder_lock
from hvaedsl_runtime.disk.run_folder import RunFolder
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
            assert str(caught.value) == f"{folder} is in use by {ME}"
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
    assert caplog.messages == [f"waiting for {tmp_path}, in use by {ME}, 10 seconds at most"]


def test_a_file_that_its_holder_has_removed_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was opened before its holder removed it, and locked afterwards: a third process could lock the next file."""
    flock = fcntl.flock
    removed: list[int] = []

    def remove_and_lock(descriptor: int, how: int) -> None:
        if not removed:
            (tmp_path / LOCK).unlink()
            removed.append(descriptor)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    with folder_lock(tmp_path), pytest.raises(RunFolderInUse):
        check_unlocked(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_without_locks_a_folder_can_be_used_after_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with folder_lock(tmp_path / "run") as descriptor:
        assert descriptor is None
        check_unlocked(tmp_path / "run")
    assert f"{tmp_path}/run: this file system has no locks" in caplog.text
    assert not (tmp_path / "run").exists()


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
    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refused)
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
