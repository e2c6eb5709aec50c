"""Which files of a folder are taken: hidden folders and what .gitignore names are left out, as git itself has it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hvaedsl.lint.spec_files import spec_files

FILES = (
    "a.hvae",
    "b.txt",
    "c.HVAE",
    "generated/x.hvae",
    "generated/kept.hvae",
    "models/one.hvae",
    "models/two.hvae",
    "models/old/three.hvae",
    "models/old/four.hvae",
    "models/ünïcode name.hvae",
    "other/build/five.hvae",
    "other/build.hvae",
    "other/six.hvae",
    "#odd.hvae",
    ".hidden/seven.hvae",
    "folder.hvae/eight.hvae",
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("hvae 1\n")
    return tmp_path


def found(path: str = ".") -> list[str]:
    return [Path(file).as_posix() for file in spec_files(path).files]


def visible() -> set[str]:
    return {name for name in FILES if name.endswith(".hvae") and not name.startswith(".")}


def test_without_rules_everything_but_hidden_folders(tree: Path) -> None:
    assert set(found()) == visible()
    assert found() == sorted(found())
    assert found("models/old") == ["models/old/four.hvae", "models/old/three.hvae"]


def test_an_explicit_file_or_folder_is_always_taken(tree: Path) -> None:
    Path(".git").mkdir()
    assert found(".hidden") == [".hidden/seven.hvae"]
    Path(".gitignore").write_text("*.hvae\nmodels/\n")
    assert found("a.hvae") == ["a.hvae"]
    assert found("missing.hvae") == ["missing.hvae"]
    assert found() == []
    assert spec_files(".").refused == (".: no .hvae file in this folder, or .gitignore ignores them",)
    Path(".gitignore").write_text("models/\n")
    assert "models/one.hvae" not in found()
    assert "models/one.hvae" in found("models")
    assert found("models/old") == ["models/old/four.hvae", "models/old/three.hvae"]


RULES = [
    {".gitignore": "generated/*\n!generated/kept.hvae\n"},
    {".gitignore": "generated/\n!generated/kept.hvae\n"},  # nothing below a folder that is left out comes back
    {".gitignore": "/a.hvae\nbuild\n"},
    {".gitignore": "build/\n*.hvae\n!o*\n"},
    {".gitignore": "# comment\n\\#odd.hvae\n\n  \nmodels/**/t*.hvae\r\n"},
    {".gitignore": "*.hvae\n", "models/.gitignore": "!one.hvae\n!old/\n", "models/old/.gitignore": "!four.hvae"},
    {".gitignore": "!models/one.hvae\n", "models/.gitignore": "*\n!/old\n"},
    {"models/.gitignore": "/old/three.hvae\n", "other/.gitignore": "/build/\n", "generated/.gitignore": "*"},
    {".gitignore": "\ufeffa.hvae\nmodels/ünïcode*\nother/b?i[kl]d.hvae\n"},
    {".gitignore": "!\n\\\na.hvae\n"},  # two lines that are no patterns
    {".gitignore": "folder.hvae\n"},
    {".gitignore": "[[a]?hvae\nmodels/[[]one.hvae\n"},  # sets that Python's expressions warn of
    {".gitignore": "# c\n\n*\n!*/\n!one.hvae\n!/models/old/**\n"},
    {".gitignore": "models/**\n!models/one.hvae\ngenerated/\n", "generated/.gitignore": "!kept.hvae\n"},
    {".gitignore": "models/*\n!models/old\n", "models/.gitignore": "three*\n!t*o.hvae\n"},
]


# Lines of drawn .gitignore files: names of the drawn trees and patterns near them.
LINES = (
    "*", "!*", "*/", "!*/", "**", "a", "!a", "a/", "!a/", "/a", "!/a/", "b*", "!b*", "a*/", "*.hvae", "!*.hvae",
    "!a.hvae", "/b.hvae", "a/b", "!a/b", "a/b/", "!a/b/", "a/*", "!a/*", "a/**", "!a/**", "**/b", "!**/b/", "**/b/a",
    "a/**/b.hvae", "b/*.hvae", "[ab]", "![!a]*", "?.hvae", "/", "!", "a ", "b/  ", "# a", "\\#a.hvae", "/*/", "!/*/",
    "b.hvae/", "*b*/a*", "!/a/*/", "[", "!a/b/*.hvae", "c[[]d", "/c[[]d/", "a\\ b", "\\!b.hvae",
    "**/", "!**/", "/**/", "!/**/", "a/**/", "!a/**/",
)  # fmt: skip


def git_keeps(tree: Path, folder: str) -> set[str]:
    """The `.hvae` files outside hidden folders that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore", folder],
        check=True,
        cwd=tree,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    names = filter(None, listed.split("\0"))
    return {name for name in names if name.endswith(".hvae") and not name.startswith(".")}


def found_or_none(folder: str) -> set[str]:
    return set(found(folder))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge")
@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
@pytest.mark.parametrize("folder", [".", "models", "other"])
def test_rules_are_read_as_git_reads_them(tree: Path, rules: dict[str, str], folder: str) -> None:
    subprocess.run(["git", "init", "-q"], check=True, cwd=tree)
    for name, text in rules.items():
        (tree / name).write_text(text, encoding="utf-8")
    assert found_or_none(folder) == git_keeps(tree, folder)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge")
@pytest.mark.parametrize("seed", range(60))
def test_drawn_rules_are_read_as_git_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True, cwd=tmp_path)
    draw = random.Random(seed)
    folders = ["a", "b", "c[d", "a/a", "a/b", "b/a", "b/b", "a/b/a", "b/a/b", "c[d/a", "a/b.hvae", "b/a b"]
    for folder in folders:
        Path(folder).mkdir()
    for folder in (".", *folders):
        for name in ("a.hvae", "b.hvae", "#a.hvae", "!b.hvae"):
            if not Path(folder, name).is_dir():
                Path(folder, name).write_text("hvae 1\n")
    for folder in (".", *draw.sample(folders, 3)):
        lines = draw.choices(LINES, k=draw.randint(1, 5))
        Path(folder, ".gitignore").write_text("\n".join(lines) + "\n")
    assert found_or_none(".") == git_keeps(tmp_path, ".")


def test_rules_above_the_folder_count_inside_one_repository(tree: Path) -> None:
    Path(".gitignore").write_text("one.hvae\n")
    Path("models/.gitignore").write_text("/old/three.hvae\n")
    assert found("models/old") == ["models/old/four.hvae", "models/old/three.hvae"]  # no repository
    Path(".git").write_text("gitdir: elsewhere\n")  # a work tree's
    assert found("models/old") == ["models/old/four.hvae"]
    assert "models/one.hvae" not in found("models")
    Path("models/.git").mkdir()
    assert "models/one.hvae" in found("models")
    assert found("models/../models/old") == ["models/../models/old/four.hvae"]


def test_a_rule_file_that_cannot_be_read_says_nothing(tree: Path) -> None:
    Path(".gitignore").mkdir()
    assert set(found()) == visible()
    Path("models/.gitignore").write_bytes(b"\xff\xfe\n/one.hvae\n")
    assert "models/one.hvae" not in found()


def test_a_folder_that_cannot_be_read_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def guarded(path: Path) -> Iterator[os.DirEntry[str]]:
        if path.name == "old":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert spec_files("models").refused == ("models/old: permission denied",)
    assert found("models")
    assert found("other")


def test_links_to_folders_are_not_followed(tree: Path) -> None:
    Path("loop").symlink_to(tree, target_is_directory=True)
    Path("link.hvae").symlink_to("a.hvae")
    assert set(found()) == {*visible(), "link.hvae"}


def test_a_link_that_leads_nowhere_is_refused(tree: Path) -> None:
    Path("models/old/dangling.hvae").symlink_to("nowhere.hvae")
    Path("models/old/loop.hvae").symlink_to("loop.hvae")
    Path("models/old/.#four.hvae").symlink_to("user@host.1234")  # a lock of Emacs
    Path("models/old/folder.hvae").symlink_to("..", target_is_directory=True)
    reasons = {
        "models/old/dangling.hvae: a link to nowhere.hvae: no such file or directory",
        "models/old/loop.hvae: a link to loop.hvae: too many levels of symbolic links",
    }
    assert set(spec_files("models").refused) == reasons
    assert spec_files("models").is_complete

    Path("empty").mkdir()
    Path("empty/dangling.hvae").symlink_to("nowhere.hvae")
    only = spec_files("empty")
    assert only.refused == ("empty/dangling.hvae: a link to nowhere.hvae: no such file or directory",)
    assert not only.is_complete


def test_a_link_that_leaves_the_folder(tree: Path) -> None:
    for link, target in (("out.hvae", "../../a.hvae"), ("in.hvae", "old/four.hvae")):
        Path("models", link).symlink_to(target)
    Path("models/out.hvae").unlink()
    Path("models/out.hvae").symlink_to("../a.hvae")
    assert spec_files("models").outside == ("models/out.hvae",)
    assert "models/out.hvae" in spec_files("models").files
    for also in (".", "a.hvae", "models/out.hvae"):
        assert spec_files("models", also).outside == ()
    Path("linked").symlink_to("models", target_is_directory=True)
    assert spec_files("linked").outside == ("linked/out.hvae",)
