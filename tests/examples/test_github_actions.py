"""The workflows: held against GitHub's own schema, and their steps run in repositories made for the tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hvaedsl.diagnostics.snippet import spec

WORKFLOWS = Path(__file__).parents[2] / "examples" / "github-actions"
PATHS = sorted(WORKFLOWS.glob("*.yml"))
BASE = "hvae 1\nmodel { width = 16  latent = 4 }\n"
CHILD = """hvae 1
extends "base.hvae"
data { dataset = digits }
model { encoder = 8x1, 8d2, 4x1  decoder = 4x1, 8m4, 8x1 }
"""
ALONE = CHILD.replace('extends "base.hvae"\n', "").replace("model {", "model { width = 8  latent = 4 ")
FORMATTED = (Path(__file__).parents[2] / "specs" / "digits.hvae").read_text(encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(WORKFLOWS / name)
    return loaded


def steps(name: str) -> list[dict[str, Any]]:
    (job,) = read(name)["jobs"].values()
    return list(job["steps"])


def valid(workflow: Path) -> bool:
    """Whether GitHub's schema for workflows, as check-jsonschema brings it, has nothing against a file."""
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow))
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return not done.returncode


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_schema_of_github(path: Path, tmp_path: Path) -> None:
    assert valid(path)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(path.read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")
    assert not valid(wrong)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_base_install_is_all_that_is_installed(path: Path) -> None:
    installs = [step["run"] for step in steps(path.name) if "install" in step.get("run", "")]
    assert installs == ["python -m pip install hvaedsl"]


class Runner:
    """A repository, and the steps of a workflow in it, run as GitHub runs them."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "repository"
        self.top.mkdir()
        self.summary = folder / "summary.md"
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.program("hvaedsl", f'exec "{sys.executable}" -c "from hvaedsl.cli.main import run; run()" "$@"')
        self.git("init", "--quiet", "--initial-branch=main")

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.top, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, **files: str | None) -> str:
        for stem, text in files.items():
            path = self.top / f"{stem.replace('__', '/')}.hvae"
            path.parent.mkdir(exist_ok=True)
            path.unlink() if text is None else path.write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "some")
        return self.git("rev-parse", "HEAD")

    def run(self, step: Mapping[str, Any], **context: str) -> subprocess.CompletedProcess[str]:
        """A step; `github_token` in the context is what `${{ github.token }}` stands for."""

        def value(found: re.Match[str]) -> str:
            return context[found[1].replace(".", "_")]

        own = {key: re.sub(r"\$\{\{ (.*?) \}\}", value, text) for key, text in step.get("env", {}).items()}
        environment = {
            **os.environ,
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **own,
        }
        command = ["bash", "-e", "-c", step["run"]]
        return subprocess.run(command, cwd=self.top, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    if not (shutil.which("bash") and shutil.which("git")):
        pytest.skip("the workflows are written for bash and git")
    return Runner(tmp_path)


def ended(runner: Runner) -> dict[str, subprocess.CompletedProcess[str]]:
    """What the steps of lint-specs.yml that run something ended with, by their names."""
    wanted = [step for step in steps("lint-specs.yml") if "name" in step and "run" in step]
    return {step["name"]: runner.run(step) for step in wanted}


def test_sound_specs_pass(runner: Runner) -> None:
    runner.commit(specs__a=FORMATTED)
    found = ended(runner)
    assert {name: done.returncode for name, done in found.items()} == {
        "Annotate the change": 0,
        "Write SARIF": 0,
        "Check formatting": 0,
    }
    assert json.loads((runner.top / "specs.sarif").read_text())["runs"][0]["results"] == []


def test_a_wrong_spec_is_annotated_and_uploaded(runner: Runner) -> None:
    runner.commit(specs__a=spec(encoder="8x2, 8d3, 4x1"))
    found = ended(runner)
    assert {name: done.returncode for name, done in found.items()} == {
        "Annotate the change": 1,
        "Write SARIF": 0,
        "Check formatting": 1,
    }
    assert found["Annotate the change"].stdout.startswith("::error file=specs/a.hvae,line=5,col=20,")
    (result,) = json.loads((runner.top / "specs.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "HV303"
    assert found["Check formatting"].stdout.startswith("would reformat specs/a.hvae\n")


def test_a_folder_that_is_not_there_fails(runner: Runner) -> None:
    found = ended(runner)
    assert [done.returncode for done in found.values()] == [2, 1, 2]
    assert all(done.stderr == "error: specs/: no such file or directory\n" for done in found.values())


def compared(runner: Runner, before: str) -> str:
    """The comment that diff-specs.yml leaves under a change that began at a commit."""
    runner.program(
        "gh", f'echo "$@" > {runner.programs}/asked; cat > {runner.programs}/comment; test "$GH_TOKEN" = secret'
    )
    compare, comment = (step for step in steps("diff-specs.yml") if "name" in step)
    for step in (compare, comment):
        done = runner.run(
            step,
            github_event_pull_request_base_sha=before,
            github_event_pull_request_number="12",
            github_token="secret",
        )
        assert (done.returncode, done.stderr) == (0, "")
    asked = (runner.programs / "asked").read_text()
    assert asked == "pr comment 12 --edit-last --create-if-none --body-file -\n"
    written = (runner.programs / "comment").read_text(encoding="utf-8")
    assert runner.summary.read_text(encoding="utf-8") in (written, ""), "the summary has the same"
    return written


def test_a_changed_base_is_told_for_what_extends_it(runner: Runner) -> None:
    before = runner.commit(base=BASE, **{"child one": CHILD}, same=ALONE, gone=ALONE)
    changed = BASE.replace("latent = 4", "latent = 6")
    runner.commit(base=changed, new=ALONE, gone=None, broken=ALONE.replace("8d2", "8d3"))
    written = compared(runner, before)
    (heading,) = (line for line in written.splitlines() if line.startswith("### "))
    assert heading == f"### `git:{before}:child one.hvae` → `child one.hvae`"
    assert "| `latent` | `4` | `6` |" in written


def test_what_the_target_has_changed_meanwhile_is_not_told(runner: Runner) -> None:
    runner.commit(a=ALONE, b=ALONE)
    runner.git("checkout", "--quiet", "-b", "branch")
    runner.commit(a=ALONE.replace("latent = 4", "latent = 5"))
    runner.git("checkout", "--quiet", "main")
    target = runner.commit(b=ALONE.replace("latent = 4", "latent = 7"))
    runner.git("checkout", "--quiet", "branch")
    written = compared(runner, target)
    assert "`a.hvae`" in written
    assert "`b.hvae`" not in written


def test_a_change_of_no_model_says_so(runner: Runner) -> None:
    before = runner.commit(a=ALONE)
    runner.commit(a=f"# a comment\n{ALONE}")
    assert compared(runner, before) == "No model has changed.\n"
