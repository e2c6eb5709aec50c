from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hvaedsl.diagnostics.errors import NoUpdate, RunError
from hvaedsl_runtime.disk import folder_lock
from hvaedsl_runtime.launch.failure import Failure
from hvaedsl_runtime.sweep.axes import let_axes, set_axes
from hvaedsl_runtime.sweep.folder import SweepFolder
from hvaedsl_runtime.sweep.plan import SweepPlan, SweepRequest, make_plan

SPEC = """hvae 1
let n = 2
data { dataset = digits }
model { width = 8  latent = 2  encoder = 8r$n  decoder = 8r$n }
train { steps = 10  batch_size = 4  learning_rate = 1e-3 }
"""


def plan_of(folder: Path, let: str = "1,2", vary: tuple[str, ...] = (), seeds: int = 2, **sets: str) -> SweepPlan:
    (folder / "small.hvae").write_text(SPEC, encoding="utf-8")
    axes, fixed = let_axes({"n": let})
    request = SweepRequest(
        spec=str(folder / "small.hvae"),
        axes=[*axes, *set_axes(vary)],
        seeds=tuple(range(seeds)),
        lets=fixed,
        sets={key.replace("__", "."): value for key, value in sets.items()},
    )
    return make_plan(request)


@pytest.fixture
def claimed(tmp_path: Path) -> SweepFolder:
    folder = SweepFolder(tmp_path / "sweep")
    folder.path.mkdir()
    assert folder.claim(plan_of(tmp_path)) == ""
    return folder


def test_the_same_sweep_is_resumed(tmp_path: Path, claimed: SweepFolder) -> None:
    assert claimed.claim(plan_of(tmp_path)) == ""
    assert claimed.read_plan() == plan_of(tmp_path)


def test_points_and_seeds_may_be_added(tmp_path: Path, claimed: SweepFolder) -> None:
    assert claimed.claim(plan_of(tmp_path, "1,2,5", seeds=3)) == "n=5, seed 2"
    assert claimed.read_plan() == plan_of(tmp_path, "1,2,5", seeds=3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"let": "1,3"}, "its point n=2 would be removed"),
        ({"let": "1"}, "it varies n, not only seeds"),
        ({"seeds": 1}, "its seed 1 would be removed"),
        ({"vary": ("model.latent=2,3",)}, "it varies n, not model.latent and n"),
        ({"train__steps": "20"}, "train.steps: 10 in the folder, 20 now"),
        ({"model__latent": "4"}, "at the point n=1, model.latent: 2 in the folder, 4 now"),
    ],
)
def test_a_changed_sweep_is_rejected_with_the_difference(
    tmp_path: Path, claimed: SweepFolder, change: dict[str, Any], words: str
) -> None:
    before = claimed.plan.read_bytes()
    with pytest.raises(RunError) as caught:
        claimed.claim(plan_of(tmp_path, **change))
    assert caught.value.exit_code == 5
    assert words in str(caught.value)
    assert "--out" in caught.value.help
    assert claimed.plan.read_bytes() == before


def test_the_path_of_the_images_may_change(tmp_path: Path, claimed: SweepFolder) -> None:
    claimed.claim(plan_of(tmp_path, data__path='"elsewhere"'))


def test_a_folder_with_other_files_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(RunError, match="has no sweep"):
        SweepFolder(tmp_path / "thesis").claim(plan_of(tmp_path))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": 2}', "\0", "{"])
def test_a_damaged_plan_is_reported(tmp_path: Path, claimed: SweepFolder, content: str) -> None:
    claimed.plan.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="cannot be read as a sweep plan of this version") as caught:
        claimed.claim(plan_of(tmp_path))
    assert caught.value.exit_code == 5


def test_a_failure_is_kept_and_a_damaged_one_is_reported(tmp_path: Path, claimed: SweepFolder) -> None:
    point = plan_of(tmp_path).points[0]
    assert claimed.failure(point, 0) is None
    failure = Failure.of(NoUpdate("no update", help="lower it"))
    claimed.record_failure(point, 0, failure)
    assert claimed.failure(point, 0) == failure
    assert claimed.failure(point, 1) is None
    claimed.failure_path(point, 0).write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="not the failure of a run"):
        claimed.failure(point, 0)


@pytest.mark.skipif(os.name != "posix", reason="locks are supported only on POSIX")
def test_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "PATIENCE_SECONDS", 0.0)
    folder = SweepFolder(tmp_path / "a" / "sweep")
    with folder.locked() as lock:
        assert lock is not None
        with pytest.raises(RunError, match="is in use by process ") as caught, folder.locked():
            pass
        assert caught.value.exit_code == 5
    with folder.locked():
        pass


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match="cannot be written: Not a directory") as caught,
        SweepFolder(tmp_path / "file" / "x").locked(),
    ):
        pass
    assert caught.value.exit_code == 5
