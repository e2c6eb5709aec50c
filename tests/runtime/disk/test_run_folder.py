from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import RunError, RunMismatch, UsageError
from hvaedsl_runtime.disk.run_folder import RunFolder, check_output_path
from hvaedsl_runtime.disk.spec_changes import check_same_run

Compiled = Callable[..., Program]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "small")


def test_a_new_or_empty_folder_is_free(folder: RunFolder) -> None:
    folder.check_free(resume=False)
    folder.path.mkdir(parents=True)
    folder.check_free(resume=False)
    folder.check_free(resume=True)


def test_a_run_is_not_overwritten(folder: RunFolder) -> None:
    folder.begin("small", "hvae 1\n")
    with pytest.raises(RunError, match="is not empty") as caught:
        folder.check_free(resume=False)
    assert "--resume" in caught.value.help
    assert "--out" in caught.value.help
    assert caught.value.exit_code == 5
    folder.check_free(resume=True)


def test_the_models_name_is_kept(folder: RunFolder) -> None:
    assert folder.model_name() is None
    folder.begin("small", "hvae 1\n")
    assert folder.model_name() == "small"
    for spoilt in ("", "[]", "{}"):
        folder.identity.write_text(spoilt)
        with pytest.raises(RunError, match=r"run\.json: (no model name|cannot be read)") as caught:
            folder.model_name()
        assert caught.value.exit_code == 5


def test_a_folder_of_something_else_is_not_resumed(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / "thesis.tex").write_text("")
    with pytest.raises(RunError, match=r"spec\.hvae is missing"):
        folder.check_free(resume=True)


def test_what_is_in_the_way_is_named_and_no_run_is_to_be_resumed(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    for name in "edcba":
        (folder.path / f"{name}.py").touch()
    with pytest.raises(RunError, match=r"has no run: it has a\.py, b\.py, c\.py and 2 more$") as caught:
        folder.check_free(resume=False)
    assert caught.value.help == "name another folder with --out"
    assert caught.value.exit_code == 5


def test_a_folder_in_which_a_run_came_not_to_its_beginning_is_free(folder: RunFolder) -> None:
    folder.begin("small", "hvae 1\n")
    folder.spec.rename(folder.path / ".spec.partial.hvae")  # as a killed process may leave it
    (folder.wandb / "run-1").mkdir(parents=True)
    (folder.wandb / "run-1" / "run.wandb").touch()
    for resume in (False, True):
        folder.check_free(resume)
    assert folder.model_name() is None
    (folder.path / "samples" / "mine.png").touch()
    for resume in (False, True):
        with pytest.raises(RunError):
            folder.check_free(resume)


def test_a_file_is_no_folder(folder: RunFolder) -> None:
    folder.path.parent.mkdir(parents=True)
    folder.path.write_text("")
    for resume in (False, True):
        with pytest.raises(RunError, match="is not a folder") as caught, folder.claimed(resume):
            pass
        assert caught.value.help == "name another folder with --out"


def test_another_spec_is_refused_by_its_keys(folder: RunFolder, compiled: Compiled) -> None:
    other = {"train.learning_rate": 2e-3, "model.decoder": "4r3, 8m4, 8x1", "train.skip_above": 50}
    with pytest.raises(RunError) as caught:
        check_same_run(folder, compiled().spec, compiled(other).spec)
    assert "train.learning_rate: 0.001 in the run, 0.002 now" in str(caught.value)
    assert "model.decoder: 4r2, 8m4, 8x1 in the run, 4r3, 8m4, 8x1 now" in str(caught.value)
    assert "train.skip_above: none in the run, 50.0 now" in str(caught.value)
    assert "seed" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_map_is_compared_by_the_values_in_use(folder: RunFolder) -> None:
    model = "width = 8  latent = 4  encoder = 8x1, 8d2, 4x1  decoder = 4x1, 8m4"
    text = f"hvae 1\ndata {{ dataset = digits }}\nmodel {{ {model} }}"
    before = hvaedsl.loads(text).spec
    check_same_run(folder, before, hvaedsl.loads(text, sets={"model.latent": "{4: 4, other: 4}"}).spec)
    with pytest.raises(RunMismatch, match=r"model.latent: 4 in the run, \{8: 3, 4: 4\} now"):
        check_same_run(folder, before, hvaedsl.loads(text, sets={"model.latent": "{4: 4, other: 3}"}).spec)


def test_what_does_not_touch_the_weights_may_change(folder: RunFolder, compiled: Compiled) -> None:
    other = {"train.steps": 50, "train.save_every": 7, "train.eval_every": 9, "train.gpu_memory": 24, "sample.count": 2}
    check_same_run(folder, compiled().spec, compiled(other).spec)


def test_a_folder_that_cannot_be_created_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written: Not a directory") as caught:
        RunFolder(tmp_path / "file" / "run").begin("digits", "hvae 1\n")
    assert caught.value.exit_code == 5


OWNED = (
    "run.json",
    "spec.hvae",
    "metrics.jsonl",
    "summary.json",
    "wandb.json",
    ".lock",
    "checkpoints/step-00000004/state.json",
)


@pytest.mark.parametrize("name", [*OWNED, "checkpoints/other.json", "wandb/run/files.json"])
def test_an_output_replaces_no_file_of_a_run(folder: RunFolder, name: str) -> None:
    check_output_path(folder.path / name, "name another file")
    folder.begin("small", "hvae 1\n")
    link = folder.path.parent / "link"
    link.symlink_to(folder.path / name)
    for path in (folder.path / name, folder.path / "samples" / ".." / name, link):
        with pytest.raises(UsageError, match="is a file of the run in") as caught:
            check_output_path(path, "name another file")
        assert caught.value.help == "name another file"


@pytest.mark.parametrize("name", ["pipe.json", "link.json", "/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_output_replaces_no_stream(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to("pipe.json")
    path = tmp_path / name
    with pytest.raises(UsageError, match=f"{re.escape(str(path))} is a stream or a device; the output") as caught:
        check_output_path(path, "name another file")
    assert caught.value.help == "name another file"


def test_an_output_may_be_in_a_run_folder(folder: RunFolder) -> None:
    folder.begin("small", "hvae 1\n")
    for name in ("eval_test.json", "report.html", "exports/run.json", "samples/last.png"):
        check_output_path(folder.path / name, "")
