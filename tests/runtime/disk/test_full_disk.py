"""A run whose disk fills up, turns read-only or vanishes: one error with a way out, and it resumes bit for bit."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from hvaedsl import Program
from hvaedsl.diagnostics.errors import WriteError
from hvaedsl_runtime.data.published import READERS
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.metrics import MetricsLog
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.disk.whole_files import append_whole
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.launch.worker import report
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.runtime.equal_states import same

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]
Command = Callable[..., tuple[object, str, str]]
Limit = Callable[[int], AbstractContextManager[None]]


def settings(out: Path, *, resume: bool = False, gpus: int = 1) -> RunSettings:
    return RunSettings(out=out, resume=resume, gpus=gpus, device="cpu", threads=1)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, occasion: int, number: int = errno.ENOSPC) -> None:
    """Let the system refuse a file of this name, on the first occasion or a later one, and every file after it."""
    replace, rename = Path.replace, Path.rename
    seen = [0]

    def refused(path: Path, target: Path, put: Callable[[Path, Path], Path] = replace) -> Path:
        seen[0] += target.name == name
        if seen[0] >= occasion:
            raise OSError(number, os.strerror(number), str(path))
        return put(path, target)

    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr(Path, "rename", lambda path, target: refused(path, target, rename))


def assert_same_run(one: Path, two: Path, curve: Curve) -> None:
    assert curve(one) == curve(two)
    before, after = (load_checkpoint(RunFolder(path).checkpoint) for path in (one, two))
    assert before.spec == after.spec
    for checkpoint in (before, after):
        checkpoint.state["counters"]["wall_seconds"] = 0
    for name in before.state | after.state:
        assert same(before[name], after[name]), name
    names = [{str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (one, two)]
    # A log of a run that was killed before its first checkpoint is kept, and so may be a checkpoint more.
    assert {name for name in names[0] ^ names[1] if "checkpoints/" not in name} <= {"metrics-1.jsonl"}
    for name in names[0]:
        if name.endswith(".png"):
            assert (one / name).read_bytes() == (two / name).read_bytes()
    summaries = [RunFolder(path).read_summary() for path in (one, two)]
    assert [{**summary, "wall_seconds": 0} for summary in summaries] == [{**summaries[0], "wall_seconds": 0}] * 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, module_program: Program) -> Path:
    """A run that nothing happened to: 12 steps, saved every 4, evaluated every 6."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(module_program, settings(out))
    return out


@pytest.mark.parametrize(
    ("name", "occasion", "saved"),
    [
        ("step-00000004", 1, (None,)),
        ("step-00000008", 1, (6,)),
        # A checkpoint is written while pictures are drawn: it is complete by then, or finds no room either.
        ("step-00000006.png", 1, (4, 6)),
        ("step-00000012.png", 2, (8, 12)),
        ("final.png", 1, (12,)),
        ("summary.json", 1, (12,)),
    ],
)
def test_a_run_that_finds_no_room_goes_on_bit_for_bit(
    whole: Path,
    tmp_path: Path,
    module_program: Program,
    curve: Curve,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    occasion: int,
    saved: tuple[int | None, ...],
) -> None:
    out = tmp_path / "parts"
    refuse(monkeypatch, name, occasion)
    with pytest.raises(WriteError) as caught:
        train(module_program, settings(out))
    step = RunFolder(out).newest_step()
    assert step in saved
    state = "there is no checkpoint yet" if step is None else f"the last checkpoint is of step {step}"
    way_on = "restart" if step is None else "resume"
    assert str(caught.value).startswith(str(out))
    assert str(caught.value).endswith(f"{name}: cannot be written: No space left on device; {state}")
    command = f"hvaedsl train {out}/spec.hvae --out {out} --resume --device cpu --threads 1"
    assert caught.value.help == f"free some space there, then {way_on} with: {command}"
    assert caught.value.exit_code == 5
    assert [path for path in out.rglob("*") if "partial" in path.name] == []
    if step is not None:
        assert load_checkpoint(RunFolder(out).checkpoint).step == step
    monkeypatch.undo()
    train(module_program, settings(out, resume=True))
    assert_same_run(out, whole, curve)


@pytest.mark.parametrize("line", [3, 7, 10, 11, 15])
def test_so_does_one_that_finds_no_room_for_its_metrics(
    whole: Path, tmp_path: Path, module_program: Program, curve: Curve, monkeypatch: pytest.MonkeyPatch, line: int
) -> None:
    before = (whole / "metrics.jsonl").read_text().splitlines(keepends=True)
    room = len("".join(before[: line - 1])) + 20

    def into_little_room(file: Any, content: bytes) -> None:
        class Full(type(file)):  # type: ignore[misc]
            def write(self, content: Any) -> int:
                left = room - self.tell()
                if left <= 0:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return int(super().write(content[:left]))

        with Full(os.dup(file.fileno()), "ab") as full:
            append_whole(full, content)

    monkeypatch.setattr("hvaedsl_runtime.disk.metrics.append_whole", into_little_room)
    out = tmp_path / "parts"
    with pytest.raises(WriteError, match=r"metrics\.jsonl: cannot be written: No space left on device; ") as caught:
        train(module_program, settings(out))
    assert "free some space there, then " in caught.value.help
    text = (out / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    kept = [json.loads(line) for line in text.splitlines()]
    assert len([line for line in kept if "weights" in line]) % 2 == 0  # both kinds of weights, or none
    monkeypatch.undo()
    train(module_program, settings(out, resume=True))
    assert_same_run(out, whole, curve)


@pytest.mark.parametrize("name", ["run.json", "spec.hvae", "metrics.jsonl"])
def test_a_run_that_could_not_be_begun_is_begun_later(
    whole: Path,
    tmp_path: Path,
    module_program: Program,
    curve: Curve,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    out = tmp_path / "new"
    refuse(monkeypatch, name, 1, errno.EROFS)
    begun = name == "metrics.jsonl"
    if begun:
        opened = Path.open

        def refused(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
            if path.name == name and "a" in mode:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return opened(path, mode, *rest, **more)

        monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(WriteError, match="cannot be written: Read-only file system") as caught:
        train(module_program, settings(out))
    assert caught.value.help.startswith(
        "make it writable, then resume with: " if begun else "make it writable, or name"
    )
    monkeypatch.undo()
    train(module_program, settings(out, resume=begun))
    assert_same_run(out, whole, curve)


def test_a_run_folder_that_vanishes_is_told(
    tmp_path: Path, module_program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    sync = MetricsLog.sync

    def unmounted(log: MetricsLog) -> None:
        sync(log)
        if (out / "checkpoints" / "step-00000004").exists():
            out.rename(tmp_path / "elsewhere")

    monkeypatch.setattr(MetricsLog, "sync", unmounted)
    with pytest.raises(WriteError, match=r"cannot be written: No such file or directory; "):
        train(module_program, settings(out))
    assert load_checkpoint(RunFolder(tmp_path / "elsewhere").checkpoint).step == 4


def test_metrics_that_cannot_be_brought_to_the_disk_save_nothing(
    tmp_path: Path, module_program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def broken(number: int) -> None:
        if os.fstat(number).st_ino == (tmp_path / "run" / "metrics.jsonl").stat().st_ino:
            raise OSError(errno.EIO, "Input/output error")
        fsync(number)

    refuse(monkeypatch, "step-00000006.png", 1)
    with pytest.raises(WriteError):
        train(module_program, settings(tmp_path / "run"))
    step = RunFolder(tmp_path / "run").newest_step()
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", broken)
    reason = rf"metrics\.jsonl: .* Input/output error; the last checkpoint is of step {step}"
    with pytest.raises(WriteError, match=reason):
        train(module_program, settings(tmp_path / "run", resume=True))
    assert load_checkpoint(RunFolder(tmp_path / "run").checkpoint).step == step


@pytest.mark.long
def test_of_two_processes_the_one_that_writes_tells(
    tmp_path: Path, compiled: Compiled, curve: Curve, file_size_limit: Limit
) -> None:
    sets: dict[str, object] = {}
    with file_size_limit(20_000), pytest.raises(WriteError) as caught:
        launch(compiled(sets), settings(tmp_path / "parts", gpus=2))
    assert "step-00000004: cannot be written: File too large; there is no checkpoint yet" in str(caught.value)
    assert caught.value.help.startswith("raise the limit on the size of a file, then restart with: hvaedsl train ")
    assert "--gpus 2" in caught.value.help
    assert caught.value.remedy == "raise the limit on the size of a file"
    launch(compiled(sets), settings(tmp_path / "parts", resume=True, gpus=2))
    assert len([line for line in curve(tmp_path / "parts") if line["split"] == "train"]) == 12


def test_a_process_without_room_for_its_last_words_prints_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "gone" / "error.json"))
    report(Failure.of(WriteError("last.pt: cannot be written", remedy="free some space there")))
    assert capsys.readouterr().err == "error: last.pt: cannot be written\n  help: free some space there\n"


def test_without_room_for_temporary_files_nothing_starts(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(WriteError, match="a temporary folder: cannot be written: No usable temp") as caught:
        launch(compiled(), settings(tmp_path / "run", gpus=2))
    assert "TMPDIR" in caught.value.help


def test_figures_are_printed_though_they_cannot_be_written(
    whole: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "eval_test.json", 1)
    code, out, err = command("eval", whole, "--device", "cpu")
    assert code == 5
    figure = json.loads((whole / "summary.json").read_text())["test"]["raw"]["bits_per_dim"]
    assert f"{figure:.4f}" in out
    assert (
        "eval_test.json: cannot be written: No space left on device\n  help: free some space there, or name another"
        in err
    )


def test_samples_that_cannot_be_written_leave_the_old_picture(
    whole: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.png").write_text("before")
    refuse(monkeypatch, "x.png", 1, errno.EROFS)
    code, _, err = command("sample", whole, "--count", "2", "--device", "cpu", "--out", tmp_path / "x.png")
    assert code == 5
    assert f"{tmp_path}/x.png: cannot be written: Read-only file system" in err
    assert "help: make it writable, or name another file with --out" in err
    assert (tmp_path / "x.png").read_text() == "before"


@pytest.mark.parametrize(
    ("arguments", "place", "option"),
    [
        (("eval", "RUN"), "RUN/eval_test.json", "--out"),
        (("eval", "RUN", "--out", "TMP/x.json"), "TMP/x.json", "--out"),
        (("sample", "RUN"), "RUN/samples/", "--out"),
        (("sample", "RUN", "--out", "TMP/x.png"), "TMP/x.png", "--out"),
        (("sample", "RUN", "--out", "TMP/x.npz"), "TMP/x.npz", "--out"),
        (("sample", "RUN", "--out", "TMP/new/x/"), "TMP/new/x", "--out"),
        (("reconstruct", "RUN", "--split", "test", "--out", "TMP/x"), "TMP/x", "--out"),
        (("report", "RUN"), "RUN/report.html", "--out"),
        (("analyze", "kl", "RUN"), "RUN/analysis", "--out"),
        (("export", "RUN", "--to", "pt2"), "RUN/exports", "--out"),
        (("export", "RUN", "--to", "safetensors", "--out", "TMP/x.safetensors"), "TMP/x.safetensors", "--out"),
        (("convert", "RUN", "--to", "TMP/x.th"), "TMP/x.th", "--to"),
        (("convert", "RUN/spec.hvae", "--from", "TMP/x.th", "--out", "TMP/new/run"), "TMP/new/run", "--out"),
        (("data", "prepare", "mnist", "--from", "TMP", "--out", "TMP/new/set"), "TMP/new/set", "--out"),
    ],
)
def test_a_place_that_takes_no_files_is_reported_before_the_work(
    whole: Path,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    place: str,
    option: str,
) -> None:
    def refused(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    monkeypatch.setattr("hvaedsl_runtime.evaluate.finished_run.FinishedRun.model", work)
    for name in ("convert.conversion.renamed", "convert.conversion._read"):
        monkeypatch.setattr(f"hvaedsl_runtime.{name}", work)
    monkeypatch.setitem(READERS, "mnist", work)
    run, empty = tmp_path / "run", tmp_path / "empty"
    shutil.copytree(whole, run)
    empty.mkdir()

    def filled(word: str) -> str:
        return word.replace("RUN", str(run)).replace("TMP", str(empty))

    code, _, err = command(*map(filled, arguments))
    assert code == 5, err
    assert filled(place) in err
    assert "cannot be written: Read-only file system" in err
    assert "help: make it writable, or " in err
    assert option in err.partition("help: ")[2]
    assert list(empty.iterdir()) == []


def test_an_evaluation_can_be_written_elsewhere(whole: Path, tmp_path: Path, command: Command) -> None:
    code, out, err = command("eval", whole, "--device", "cpu", "--json", "--out", tmp_path / "bounds.json")
    assert code == 0, err
    assert json.loads((tmp_path / "bounds.json").read_text()) == json.loads(out)
    assert not (whole / "eval_test.json").exists()
    code, _, err = command("eval", whole, "--out", tmp_path / "nowhere" / "bounds.json")
    assert (code, "a file that ends in .json, in an existing folder" in err) == (2, True)
