from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl.diagnostics.errors import UsageError, WriteError
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


FONT_WARNINGS = (
    "Fontconfig error: Cannot load default config file: No such file: (null)",
    "Fontconfig warning: no <cachedir> elements found. Check configuration.",
    "",
    "(process:7): Pango-WARNING **: 12:00:00.000: couldn't load font, expect ugly output",
)


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_font_warnings_of_the_program_are_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    warn = f"print(*{FONT_WARNINGS!r}, sep='\\n', file=sys.stderr)"
    install_program(tmp_path, monkeypatch, f"{warn}\nprint('drawn')")
    assert output.render(DOT, "svg") == b"drawn\n"
    install_program(tmp_path, monkeypatch, f"{warn}\nsys.exit('Error: no such format')")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(UsageError, match="could not draw svg: Error: no such format; pygraphviz"):
        output.render(DOT, "svg")
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("without_programs")
def test_font_warnings_of_the_libraries_are_not_printed(tmp_path: Path) -> None:
    """In a process of its own: Fontconfig reads its configuration once a process."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom hvaedsl.render import output\n"
        "os.environ.update(FONTCONFIG_FILE='/nowhere', FONTCONFIG_PATH='/nowhere')\n"
        f"output.write({DOT!r}, Path('model.svg'))\n"
        "print('the process still has its standard error', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "the process still has its standard error\n"
    assert (tmp_path / "model.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.usefixtures("without_programs")
def test_errors_and_warnings_of_the_libraries_are_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="pygraphviz could not draw svg: Error: syntax error in line 1"):
        output.render("digraph { a -- ", "svg")
    assert capfd.readouterr().err == ""
    output.render("digraph { a [shape=nonsense]; }", "svg", "dot")
    assert capfd.readouterr().err == "warning: Graphviz: using box for unknown shape nonsense\n"


def test_another_suffix_is_told_which_formats_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.gif.*\.svg, \.png or \.pdf"):
        output.write(DOT, tmp_path / "model.gif")
    assert not (tmp_path / "model.gif").exists()


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    output.write(DOT, tmp_path / "model.SVG")
    assert (tmp_path / "model.SVG").read_bytes().startswith(b"<?xml")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"model\.svg: cannot be written: No such file") as caught:
        output.write(DOT, tmp_path / "nowhere" / "model.svg")
    assert caught.value.help == "check that the folder exists and its disk is mounted"
