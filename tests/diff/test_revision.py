"""`git:REV:PATH`, in repositories made for the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import printable_message
from hvaedsl.diff.compare import compare
from hvaedsl.diff.loading import LoadedSpec, load_spec
from hvaedsl.program import CustomParts

EXAMPLES = Path(__file__).parents[2] / "examples"
BASE = """hvae 1
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
CHILD = 'hvae 1\nextends "../base.hvae"\nmodel { latent = 8 }\n'
Git = Callable[..., str]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository with two commits, the tag `first` at the older one; the working directory is its top."""
    top = tmp_path / "my models"
    (top / "specs").mkdir(parents=True)
    monkeypatch.chdir(top)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: str) -> str:
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *identity, *arguments], capture_output=True, text=True, check=True, cwd=top
        ).stdout.strip()

    run("init", "--quiet", "--initial-branch=main")
    Path("base.hvae").write_text(BASE)
    Path("specs/child.hvae").write_text(CHILD)
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    run("tag", "first")
    Path("base.hvae").write_text(BASE.replace("width = 16", "width = 24"))
    Path("specs/child.hvae").write_text(CHILD.replace("8", "6", 1))
    run("commit", "--quiet", "-am", "second")
    return run


def widths(side: LoadedSpec) -> tuple[int, object]:
    assert side.program is not None, side.diagnostics
    return side.program.spec.model.width, side.program.spec.model.latent


def test_a_base_is_taken_from_the_same_revision(git: Git) -> None:
    assert widths(load_spec("git:first:specs/child.hvae")) == (16, 8)
    assert widths(load_spec("git:HEAD:specs/child.hvae")) == (24, 6)
    assert widths(load_spec(f"git:{git('rev-parse', 'first')[:8]}:./specs/../specs/child.hvae")) == (16, 8)
    assert widths(load_spec("git:main@{0}:specs/child.hvae")) == (24, 6)
    Path("base.hvae").unlink()
    assert widths(load_spec("git:main~1:specs/child.hvae")) == (16, 8)


def test_a_path_is_from_the_working_directory(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("specs")
    assert widths(load_spec("git:first:child.hvae")) == (16, 8)
    assert widths(load_spec("git:first:../base.hvae")) == (16, 4)


def test_a_bare_repository_has_revisions_too(git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "models.git"))
    for folder in (tmp_path / "models.git", tmp_path / "models.git" / "refs"):
        monkeypatch.chdir(folder)
        assert widths(load_spec("git:first:specs/child.hvae")) == (16, 8)
        assert widths(load_spec("git:HEAD:base.hvae")) == (24, 4)
        with pytest.raises(UsageError, match=r"is not a file of HEAD; did you mean specs/child\.hvae\?"):
            load_spec("git:HEAD:child.hvae")


def test_a_file_against_its_past(git: Git) -> None:
    old, new = load_spec("git:first:specs/child.hvae").program, load_spec("specs/child.hvae").program
    assert old is not None
    assert new is not None
    found = compare(old, new)
    assert [(change.name, change.before, change.after) for change in found.keys] == [
        ("width", "16", "24"),
        ("latent", "8", "6"),
    ]


def test_parts_of_ones_own_are_imported_from_the_working_tree(git: Git) -> None:
    pytest.importorskip("torch")
    cell = (EXAMPLES / "custom_cell.py").read_text(encoding="utf-8")
    Path("specs/cell_of_a_revision.py").write_text(cell)
    (name,) = re.findall(r"^class (\w+)", cell, re.MULTILINE)[-1:]
    Path("specs/child.hvae").write_text(CHILD.replace("latent", f'cell = "cell_of_a_revision:{name}" latent'))
    git("add", ".")
    git("commit", "--quiet", "-am", "a cell")
    side = load_spec("git:HEAD:specs/child.hvae", custom=CustomParts())
    assert side.program is not None, side.diagnostics
    assert side.program.cost.uncounted == ()
    assert load_spec("git:HEAD:specs/child.hvae").program.cost.uncounted  # type: ignore[union-attr]


def test_a_mistake_tells_its_revision_and_file(git: Git) -> None:
    Path("base.hvae").write_text(BASE.replace("8d2", "8q2"))
    git("commit", "--quiet", "-am", "broken")
    side = load_spec("git:HEAD:specs/child.hvae")
    assert side.program is None
    assert [str(item.span) for item in side.diagnostics] == ["git:HEAD:base.hvae:3:49"]


def test_a_base_outside_of_the_repository_is_refused(git: Git, tmp_path: Path) -> None:
    (tmp_path / "outside.hvae").write_text(BASE)
    Path("specs/child.hvae").write_text('hvae 1\nextends "../../outside.hvae"\n')
    git("commit", "--quiet", "-am", "outside")
    side = load_spec("git:HEAD:specs/child.hvae")
    assert [item.code for item in side.diagnostics] == ["HV212"]
    assert side.diagnostics[0].label_text == "not inside my models"


def test_a_file_too_large_for_a_spec(git: Git) -> None:
    Path("huge.hvae").write_text("#" * (1 << 21))
    git("add", ".")
    git("commit", "--quiet", "-m", "huge")
    assert [item.code for item in load_spec("git:HEAD:huge.hvae").diagnostics] == ["HV108"]


def test_links_and_submodules_are_no_files(git: Git) -> None:
    Path("link.hvae").symlink_to("/etc/passwd")
    git("add", ".")
    linked = git("rev-parse", "HEAD")
    git("update-index", "--add", "--cacheinfo", f"160000,{linked},parts/sub")
    git("commit", "--quiet", "-m", "links")
    with pytest.raises(UsageError, match="is not a file of HEAD"):
        load_spec("git:HEAD:link.hvae")
    for name, inside in (("parts/sub/specs/child.hvae", "specs/child.hvae"), ("parts/sub", "PATH")):
        with pytest.raises(UsageError, match="parts/sub is a submodule, whose files are in a repo") as caught:
            load_spec(f"git:HEAD:{name}")
        assert caught.value.help == f"in the folder parts/sub, write git:{linked[:12]}:{inside}"


def test_a_hook_sets_variables_for_another_repository(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git runs a hook of a worktree with GIT_DIR; the path on the command line is that of the working directory."""
    git("worktree", "add", "--quiet", str(tmp_path / "tree"), "first")
    other = tmp_path / "other"
    git("init", "--quiet", str(other))
    for variable in ("GIT_DIR", "GIT_COMMON_DIR"):
        monkeypatch.setenv(variable, str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_PREFIX", "specs/")
    assert widths(load_spec("git:HEAD:specs/child.hvae")) == (24, 6)
    monkeypatch.chdir(tmp_path / "tree" / "specs")
    assert widths(load_spec("git:HEAD:child.hvae")) == (16, 8)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("git:first", "is not git:REV:PATH"),
        ("git::base.hvae", "is not git:REV:PATH"),
        ("git:first:", "is not git:REV:PATH"),
        ("git:nowhere:base.hvae", "no revision `nowhere`"),
        ("git:--help:base.hvae", "no revision `--help`"),
        ("git:first:missing.hvae", "missing.hvae is not a file of first$"),
        ("git:first:child.hvae", "child.hvae is not a file of first; did you mean specs/child.hvae?"),
        ("git:first:specs/base", "specs/base is not a file of first; did you mean base.hvae?"),
        ("git:first:specs/chlid.hvae", "specs/chlid.hvae is not a file of first; did you mean specs/child.hvae?"),
        ("git:first:specs", "specs is not a file of first"),
        ("git:first:../base.hvae", "outside of the repository"),
    ],
)
def test_what_is_not_there(git: Git, place: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load_spec(place)


def test_what_is_meant_is_called_from_the_working_directory(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("specs")
    with pytest.raises(UsageError, match=re.escape("did you mean ../base.hvae?")):
        load_spec("git:first:base.hvae")


def test_a_shallow_clone_says_what_it_is(git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git("clone", "--quiet", "--depth", "1", f"file://{Path.cwd()}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert widths(load_spec("git:HEAD:specs/child.hvae")) == (24, 6)
    for revision in ("HEAD~1", "first"):
        with pytest.raises(UsageError, match="this clone is shallow; `git fetch --unshallow` fetches the rest"):
            load_spec(f"git:{revision}:specs/child.hvae")


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="not a git repository"):
        load_spec("git:HEAD:base.hvae")


def test_no_git(git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs git, which is not on the search path"):
        load_spec("git:HEAD:base.hvae")


def test_all_lines_of_a_message_of_git_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b"fatal: detected dubious ownership in repository at '/x'\nTo add an exception, call:\n\n\tgit config x\n"
    failed = subprocess.CompletedProcess(["git"], 128, stdout=b"", stderr=said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UsageError) as caught:
        load_spec("git:HEAD:base.hvae", custom=CustomParts())
    assert printable_message(caught.value.report).splitlines() == [
        "git rev-parse: detected dubious ownership in repository at '/x'",
        "  To add an exception, call:",
        "  git config x",
    ]
