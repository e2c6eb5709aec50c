from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from hvaedsl.diagnostics.errors import RunNotFound
from hvaedsl_runtime.disk.run_folder import RunFolder, require_run


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints = Path("runs/first/checkpoints")
    checkpoints.mkdir(parents=True)
    (checkpoints / "last.pt").touch()
    Path("runs/first/spec.hvae").touch()
    Path("my model.hvae").touch()
    Path("notes.txt").touch()
    Path("empty").mkdir()


@pytest.mark.parametrize(("there", "missing"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_folder_that_looks_the_same_is_named(there: Literal["NFC", "NFD"], missing: Literal["NFC", "NFD"]) -> None:
    folder, path = (Path(unicodedata.normalize(form, "läufe/é")) for form in (there, missing))
    folder.mkdir(parents=True)
    if path.exists():
        pytest.skip("the file system takes both forms for one name")
    with pytest.raises(RunNotFound, match="no such folder") as caught:
        require_run(path)
    assert f"{folder} is there, written with other characters" in caught.value.help
    with pytest.raises(RunNotFound, match="no such folder") as caught:
        RunFolder(path).check_free(resume=True)
    assert f"{folder} is there, written with other characters" in caught.value.help
    RunFolder(path).check_free(resume=False)


def test_a_run_folder_is_taken() -> None:
    assert require_run(Path("runs/first")).path == Path("runs/first")


@pytest.mark.parametrize(
    ("path", "message", "way_out"),
    [
        ("my model.hvae", "is a spec", "hvaedsl train 'my model.hvae' writes one: runs/my model"),
        ("cifar_ws", "is a spec", "hvaedsl train cifar_ws writes one: runs/cifar_ws"),
        ("runs", "no run in this folder", "did you mean runs/first?"),
        ("empty", "no run in this folder", "hvaedsl train wrote"),
        ("runs/first/checkpoints/last.pt", "is a file of a run", "its run folder, runs/first"),
        ("notes.txt", "is a file", "hvaedsl train wrote"),
        ("nowhere", "no such folder", "hvaedsl train wrote"),
    ],
)
def test_what_is_there_instead_is_named(path: str, message: str, way_out: str) -> None:
    with pytest.raises(RunNotFound) as caught:
        require_run(Path(path))
    assert str(caught.value).startswith(path)
    assert message in str(caught.value)
    assert way_out in caught.value.help
