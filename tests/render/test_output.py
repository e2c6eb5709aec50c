from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.bridge import Bridge
from hvaedsl.render import output
from hvaedsl.render.dot import dot_source

DOT = 'digraph { graph [layout=nop2]; a [pos="0,0"]; b [pos="0,99"]; }'
STARTS = {"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}


def install_program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A `dot` on the search path that does what `script` says."""
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.fixture
def without_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.usefixtures("without_programs")
def test_the_libraries_draw_each_format(compile_bridge: Callable[[str], Bridge], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    output.write(dot_source(compile_bridge("digits"), name="digits"), path)
    picture = path.read_bytes()
    assert picture.startswith(STARTS[suffix])
    assert len(picture) > 2000


@pytest.mark.usefixtures("without_programs")
def test_png_has_pixels_for_print() -> None:
    picture = output.render(DOT, "png")
    height = int.from_bytes(picture[20:24], "big")
    assert height > 99 / 72 * 192  # the nodes stand 99 points apart


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_the_program_on_the_search_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_program(tmp_path, monkeypatch, "sys.stdout.write(' '.join(sys.argv[1:]) + '|' + sys.stdin.read())")
    arguments, _, text = output.render(DOT, "svg").decode().partition("|")
    assert arguments.split() == ["-Kneato", "-Tsvg", "-n2"]
    assert text.strip() == DOT


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_the_libraries_stand_in_for_a_program_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_program(tmp_path, monkeypatch, "sys.exit('no such format')")
    assert output.render(DOT, "svg").startswith(b"<?xml")


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_without_either_the_error_says_why_and_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_program(tmp_path, monkeypatch, "sys.exit('no such format')")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(UsageError, match=r"no such format.*cannot be imported \(.*\): install"):
        output.render(DOT, "svg")


def test_another_suffix_is_told_which_formats_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.gif.*\.svg, \.png, \.pdf"):
        output.write(DOT, tmp_path / "model.gif")
    assert not (tmp_path / "model.gif").exists()


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    output.write(DOT, tmp_path / "model.SVG")
    assert (tmp_path / "model.SVG").read_bytes().startswith(b"<?xml")


def test_a_folder_that_is_missing_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        output.write(DOT, tmp_path / "nowhere" / "model.svg")
