"""`hvaedsl check-theory`: output and exit code, on the digits and on a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.theory import checks
from hvaedsl_runtime.theory.checks import Check
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings


def test_all_checks_pass_on_the_digits() -> None:
    done = CliRunner().invoke(app, ["check-theory", "--json", "--seed", "5"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["holds"]
    page = (Path(__file__).parents[3] / "docs" / "theory.md").read_text(encoding="utf-8")
    assert [check["identity"] for check in report["checks"] if check["identity"] not in page] == []
    assert {check["name"] for check in report["checks"]} == {"Theorem 2", "Theorem 3", "Theorem 5", "B.4"}
    assert {check["name"] for check in report["checks"] if check["control"]} == {
        "Theorem 2",
        "Theorem 3",
        "Theorem 5",
        "B.4",
    }


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Check("Theorem 2", "1 = 2", 1.0, 1e-12), "FAILS"),
        (Check("Theorem 2", "1 = 2", float("nan"), 1e-12), "FAILS"),
        (Check("Theorem 2", "db2 = haar", 1e-4, 1e-3, control=True), "DOES NOT"),
        (Check("Theorem 2", "db2 = haar", float("nan"), 1e-3, control=True), "DOES NOT"),
    ],
)
def test_a_failing_check_sets_the_exit_code(monkeypatch: pytest.MonkeyPatch, broken: Check, words: str) -> None:
    good = Check("Theorem 3", "1 = 1", 0.0, 1e-10, figures={"stacks": 50})

    def found(*_: object) -> Iterator[Check]:
        yield from (good, broken)

    monkeypatch.setattr(checks, "all_checks", found)
    done = CliRunner().invoke(app, ["check-theory"])
    assert done.exit_code == 1
    assert words in done.stdout
    assert "1 of 2 checks failed: Theorem 2" in " ".join(done.stdout.split())
    done = CliRunner().invoke(app, ["check-theory", "--json"])
    assert done.exit_code == 1
    assert [check["holds"] for check in json.loads(done.stdout)["checks"]] == [True, False]


def test_a_run_gives_its_images_and_its_model(tmp_path: Path, spec_path: Path) -> None:
    train(hvaedsl.load(spec_path), RunSettings(out=tmp_path / "run", device="cpu", threads=1))
    done = CliRunner().invoke(app, ["check-theory", "--run", str(tmp_path / "run"), "--device", "cpu", "--json"])
    report = json.loads(done.stdout)
    assert "npy, test" in report["source"]
    assert "after 12 steps" in report["source"]
    failed = [(check["identity"], check["error"]) for check in report["checks"] if not check["holds"]]
    assert failed == []
    kls = {key for check in report["checks"] if check["name"] == "Theorem 5" for key in check["figures"]}
    assert {key.split()[0] for key in kls} == {"raw", "ema", "images"}


def test_a_folder_without_a_run_is_a_run_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check-theory", "--run", str(tmp_path)])
    assert isinstance(done.exception, RunError)
    assert done.exception.exit_code == 5
