"""Whatever the terminal is, what was found is printed: its encoding, its width, and names that would act on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-c", "from hvaedsl.cli.main import run; run()")
SPEC = (
    "hvae 1\ndata { dataset = digits }\nmodel { width = 16  latent = 4  encoder = 8x1, 8d2, 4х1  decoder = 4x1, 8m4 }\n"
)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        (*COMMAND, *arguments),
        capture_output=True,
        check=False,
        env={**os.environ, "HVAEDSL_CACHE": "off", **environment},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("cyrillic.hvae").write_text(SPEC, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("output_format", "encoding"),
    [("full", "ascii"), ("full", "latin-1"), ("concise", "cp1252"), ("github", "latin-1")],
)
def test_an_encoding_that_lacks_a_letter(output_format: str, encoding: str, folder: Path) -> None:
    ended = run("lint", "cyrillic.hvae", "--format", output_format, PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"HV102" in ended.stdout
    assert b"\\u0445" in ended.stdout


def test_markdown_in_such_an_encoding(folder: Path) -> None:
    ended = run("diff", "digits", "mnist", "--format", "markdown", PYTHONIOENCODING="latin-1")
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert ended.stdout.startswith(b"### `digits` \\u2192 `mnist`")


@pytest.mark.parametrize("columns", ["0", "1", "wide"])
def test_a_terminal_of_any_width(columns: str, folder: Path) -> None:
    ended = run("lint", "cyrillic.hvae", COLUMNS=columns)
    assert ended.returncode == 1
    assert b" --> cyrillic.hvae:3:" in ended.stdout


@pytest.mark.parametrize("width", ["abc", "0", "-5", "1e3", ""])
def test_a_width_of_help_that_is_no_number(width: str) -> None:
    ended = run("lint", "--help", TERMINAL_WIDTH=width)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"--fix" in ended.stdout
    assert ended.stdout == run("lint", "--help").stdout


def test_a_name_does_not_act_on_the_terminal(folder: Path) -> None:
    name = "a\x1b[31m\x07.hvae"
    ended = run("lint", name)
    assert (ended.returncode, ended.stderr) == (
        2,
        rb"error: a\x1b[31m\x07.hvae: no such file or directory" + b"\n",
    )
    Path(name).write_text(SPEC, encoding="utf-8")
    for arguments in (("diff", name, "cifar"), ("lint", name), ("fmt", name)):
        ended = run(*arguments, FORCE_COLOR="")
        assert not {0x07, 0x1B} & {*ended.stdout, *ended.stderr}


def test_a_name_that_is_no_text(folder: Path) -> None:
    name = os.fsdecode(b"a\xff.hvae")
    try:
        Path(name).write_text(SPEC, encoding="utf-8")
    except OSError:
        pytest.skip("the file system takes no such name")
    for output_format in ("full", "github", "sarif"):
        ended = run("lint", name, "--format", output_format, PYTHONIOENCODING="utf-8:strict")
        assert (ended.returncode, ended.stderr) == (1, b"")
    assert b'"uri": "a%FF.hvae"' in ended.stdout


@pytest.mark.skipif(os.name == "nt", reason="the working directory cannot be removed there")
@pytest.mark.parametrize("arguments", [("lint", "cifar"), ("train", "digits")])
def test_a_working_directory_that_is_gone(folder: Path, arguments: tuple[str, ...]) -> None:
    if arguments[0] == "train":
        pytest.importorskip("torch")
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    command = ("sh", "-c", script, "sh", *COMMAND, *arguments)
    ended = subprocess.run(command, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr == b"error: the working directory does not exist; change to one that does\n"
