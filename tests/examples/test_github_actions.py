"""The step of the workflow that compares, run in a repository made for the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

WORKFLOW = (Path(__file__).parents[2] / "examples" / "github-actions" / "diff-specs.yml").read_text(encoding="utf-8")
BASE = "hvae 1\nmodel { width = 16  latent = 4 }\n"
CHILD = """hvae 1
extends "base.hvae"
data { dataset = digits }
model { encoder = 8x1, 8d2, 4x1  decoder = 4x1, 8m4, 8x1 }
"""
ALONE = CHILD.replace('extends "base.hvae"\n', "").replace("model {", "model { width = 8  latent = 4 ")


@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("git")), reason="the workflow is written for bash and git"
)
def test_a_changed_base_is_told_for_what_extends_it(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    for name, text in (("base", BASE), ("child one", CHILD), ("same", ALONE)):
        (tmp_path / f"{name}.hvae").write_text(text)
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    (tmp_path / "base.hvae").write_text(BASE.replace("latent = 4", "latent = 6"))
    (tmp_path / "new.hvae").write_text(ALONE)
    git("add", ".")
    git("commit", "--quiet", "-m", "second")

    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "hvaedsl"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from hvaedsl.cli.main import run; run()" "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "TARGET": "HEAD~1",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    _, _, step = WORKFLOW.partition("        run: |\n")
    script = textwrap.dedent(step.partition("      - name: Comment")[0])
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "summary.md").read_text(encoding="utf-8")
    (heading,) = (line for line in written.splitlines() if line.startswith("### "))
    assert heading.endswith("child one.hvae` → `child one.hvae`")
    assert "| `latent` | `4` | `6` |" in written
