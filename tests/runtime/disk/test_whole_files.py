"""Files whole or not at all, and readable errors if the system refuses to write."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl.diagnostics.errors import DataNotFound, RunError, WriteError
from hvaedsl.diagnostics.refusals import refusals_explained
from hvaedsl_runtime.disk.weights import write_safetensors, write_torch
from hvaedsl_runtime.disk.whole_files import (
    append_whole,
    made_folder,
    put_folder_in_place,
    put_in_place,
    write_whole,
)
from hvaedsl_runtime.evaluate.pictures import save_grid

Limit = Callable[[int], AbstractContextManager[None]]


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space there"),
        (errno.EDQUOT, "free some space there"),
        (errno.EROFS, "make it writable"),
        (errno.EIO, "check that the disk is mounted"),
        (errno.EFBIG, "raise the limit on the size of a file"),
        (errno.ENOTDIR, ""),
    ],
)
def test_a_refusal_is_told_with_its_place_and_a_remedy(number: int, remedy: str) -> None:
    with pytest.raises(WriteError) as caught, refusals_explained("/runs/x", "name another folder with --out"):
        raise refusal(number)
    assert str(caught.value) == f"/runs/x: cannot be written: {os.strerror(number)}"
    assert caught.value.exit_code == 5
    assert caught.value.help == (
        f"{remedy}, or name another folder with --out" if remedy else "name another folder with --out"
    )
    way_on = caught.value.then("resume with: hvaedsl", state="; step 4 is saved")
    assert way_on.help == (f"{remedy}, then resume with: hvaedsl" if remedy else "resume with: hvaedsl")
    assert str(way_on) == f"/runs/x: cannot be written: {os.strerror(number)}; step 4 is saved"
    assert way_on.exit_code == 5


def test_the_outermost_block_tells() -> None:
    with pytest.raises(WriteError) as caught, refusals_explained("outer", "name another"), refusals_explained("inner"):
        raise refusal(errno.ENOSPC)
    assert str(caught.value) == "outer: cannot be written: No space left on device"
    assert caught.value.help == "free some space there, or name another"


def test_other_errors_pass() -> None:
    with pytest.raises(RunError, match=r"^images not found$"), refusals_explained("x"):
        raise DataNotFound("images not found") from refusal(errno.ENOENT)
    with pytest.raises(RuntimeError, match=r"^a bug$"), refusals_explained("x"):
        raise RuntimeError("a bug")


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_whole(path, "before")

    def full(_: int) -> None:
        raise refusal(errno.ENOSPC)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"file\.txt: cannot be written: No space left on device"):
        write_whole(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_why_it_was_not_written_is_told_where_the_rest_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise refusal(errno.EROFS)

    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(WriteError, match="No space left on device"), put_in_place(tmp_path / "file"):
        raise refusal(errno.ENOSPC)


def test_a_folder_that_vanished_is_told(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file or directory") as caught:
        write_whole(tmp_path / "unmounted" / "file", "text")
    assert caught.value.help == "check that the folder exists and its disk is mounted"
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="Not a directory") as caught:
        made_folder(tmp_path / "file" / "folder")
    assert caught.value.help == "name another folder with --out"


def test_what_is_appended_is_there_whole_or_not_at_all(tmp_path: Path, file_size_limit: Limit) -> None:
    path = tmp_path / "lines"
    with path.open("ab", buffering=0) as file:
        append_whole(file, b"a" * 60_000)
        with file_size_limit(100_000):
            append_whole(file, b"b" * 30_000)
            # The system takes 10,000 of them, and refuses the others.
            with pytest.raises(OSError, match="File too large"):
                append_whole(file, b"c" * 60_000)
            append_whole(file, b"d" * 10_000)
    assert path.read_bytes() == b"a" * 60_000 + b"b" * 30_000 + b"d" * 10_000


def test_a_system_that_takes_little_at_a_time_gets_all(tmp_path: Path) -> None:
    class Slow(FileIO):
        def write(self, content: Any) -> int:
            return super().write(content[:7])

    with Slow(tmp_path / "lines", "ab") as file:
        append_whole(file, b"0123456789" * 5)
    assert (tmp_path / "lines").read_bytes() == b"0123456789" * 5


@pytest.mark.parametrize("name", ["last.pt", "weights.safetensors", "grid.png"])
def test_libraries_that_write_for_us_are_refused_in_the_same_words(
    tmp_path: Path, file_size_limit: Limit, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"before")
    write: dict[str, Callable[[], None]] = {
        "last.pt": lambda: write_torch(path, {f"w{i}": torch.randn(200, 200) for i in range(5)}),
        "weights.safetensors": lambda: write_safetensors(path, {"w": torch.randn(400, 400)}, {}),
        "grid.png": lambda: save_grid(path, torch.rand(1, 512, 512, 3), columns=1),
    }
    for limit in (100_000, 300_000):
        with file_size_limit(limit), pytest.raises(WriteError) as caught:
            write[name]()
        assert str(caught.value) == f"{path}: cannot be written: File too large"
        assert caught.value.help == "raise the limit on the size of a file"
        assert path.read_bytes() == b"before"
        assert list(tmp_path.iterdir()) == [path]
    write[name]()
    assert path.stat().st_size > 300_000


def test_a_name_that_is_not_utf_8_is_escaped_in_a_text(tmp_path: Path) -> None:
    write_whole(tmp_path / "report.txt", f"é {os.fsdecode(b'caf%c' % 0xE9)}")
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == "é caf\\udce9"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_have_the_permissions_of_the_umask_whatever_a_library_gives_them(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "w.safetensors"
    path.touch(mode=0o600)  # replaced
    before = os.umask(umask)
    try:
        write_safetensors(path, {"w": torch.zeros(1)}, {})
        with put_in_place(tmp_path / "private.txt") as temporary:
            temporary.unlink()
            temporary.touch(mode=0o600)
        write_whole(tmp_path / "text.txt", "text")
    finally:
        os.umask(before)
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("w.safetensors", "private.txt", "text.txt"), oct(0o666 & ~umask))


WRITE = """
import sys
from pathlib import Path
from hvaedsl_runtime.disk.whole_files import put_folder_in_place, put_in_place

kind, path = sys.argv[1], Path(sys.argv[2])
with (put_in_place if kind == "file" else put_folder_in_place)(path) as temporary:
    print("writing", flush=True)
    sys.stdin.readline()
    (temporary if kind == "file" else temporary / "inside").write_bytes(b"first")
"""


@pytest.mark.skipif(os.name != "posix", reason="flock")
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("is_killed", [False, True])
def test_what_another_process_writes_is_left_alone(tmp_path: Path, kind: str, is_killed: bool) -> None:
    path = tmp_path / "out"
    put, inside = (put_in_place, path) if kind == "file" else (put_folder_in_place, path / "inside")
    first = subprocess.Popen([sys.executable, "-c", WRITE, kind, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdin is not None
    assert first.stdout is not None
    assert first.stdout.readline() == b"writing\n"

    with pytest.raises(WriteError, match="out: cannot be written: another process is writing it") as caught, put(path):
        pytest.fail("entered")
    assert caught.value.help == "wait until that process has ended"

    # It writes its own content; what it leaves when it is killed is replaced.
    if is_killed:
        first.kill()
    first.communicate(b"\n")
    if not is_killed:
        assert (first.returncode, inside.read_bytes()) == (0, b"first")
        return
    assert len(list(tmp_path.iterdir())) == 1
    with put(path) as temporary:
        (temporary if kind == "file" else temporary / "inside").write_bytes(b"second")
    assert inside.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]
