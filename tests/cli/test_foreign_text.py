"""Text from outside is text: a path with brackets, emoji codes and escape sequences is printed, never interpreted."""

from __future__ import annotations

import ast
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hvaedsl.cli.main import run
from hvaedsl.report.grid import Column, Grid
from hvaedsl.report.terminal import text_console
from tests.cli.pty_session import in_pipe

ROOT = Path(__file__).parents[2]
NAME = "a [/wip] [bold]b :smile: \x1b[31m"  # two folders, because of the slash
SPEC = (ROOT / "specs" / "digits.hvae").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a folder of the name, in which one spec compiles, one does not, and one is to be formatted."""
    place = tmp_path / NAME
    try:
        place.mkdir(parents=True)
        (place / NAME).parent.mkdir()
    except OSError:
        pytest.skip("the file system takes no such name")
    (place / f"{NAME}.hvae").write_text(SPEC, encoding="utf-8")
    (place / "broken.hvae").write_text("hvae 1\nmodel { widht = 1 }\n", encoding="utf-8")
    (place / "untidy.hvae").write_text(SPEC.replace(" = ", "   =  "), encoding="utf-8")
    return tmp_path


GOOD = f"{NAME}/{NAME}.hvae"
BROKEN = f"{NAME}/broken.hvae"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compile", GOOD), 0),
        (("compile", GOOD, "--render", "--out", f"{NAME}/{NAME}.svg"), 0),
        (("compile", BROKEN), 1),
        (("compile", f"{NAME}/missing.hvae"), 2),
        (("compile", GOOD, "--batch-size", NAME), 2),
        (("compile", GOOD, "--set", f"model.width={NAME}"), 1),
        (("compile", GOOD, f"--{NAME}"), 2),
        (("compile", GOOD, NAME), 2),
        ((NAME,), 2),
        (("show", GOOD, "--provenance"), 0),
        (("lint", NAME), 1),
        (("lint", BROKEN, "--format", "concise"), 1),
        (("lint", GOOD, "--select", NAME), 2),
        (("fmt", f"{NAME}/untidy.hvae"), 0),
        (("table", GOOD), 0),
        (("table", NAME), 1),
        (("diff", GOOD, GOOD), 0),
        (("diff", GOOD, BROKEN), 2),
        (("diff", f"git:{NAME}:x", GOOD), 2),
        (("explain", NAME), 2),
        (("explain", "cell", NAME), 2),
        (("new", f"{NAME}/new", "--from", GOOD), 2),
        (("new", "new", "--from", GOOD), 0),
        (("sweep", GOOD, "--vary", "model.latent=2,4", "--dry-run"), 0),
        (("train", f"{NAME}/missing"), 2),
    ],
    ids=lambda value: value[0].split()[0] if isinstance(value, tuple) else str(value),
)
def test_a_command(arguments: tuple[str, ...], code: int, folder: Path) -> None:
    ended = in_pipe(*arguments, cwd=folder, FORCE_COLOR="1")
    printed = ended.stdout + ended.stderr
    assert ended.returncode == code, printed
    assert "a bug in hvaedsl" not in printed
    assert NAME not in printed
    assert "😄" not in printed


NAMES = {"a\nb": r"a\nb", "a\x1b[31mb\x07": r"a\x1b[31mb\x07", os.fsdecode(b"caf\xe9"): r"caf\xe9", "ünï": "ünï"}
WITHOUT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.skipif(os.name == "nt", reason="no such names")
@pytest.mark.parametrize("name", NAMES, ids=NAMES.values())
def test_a_name_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = NAMES[name]
    try:
        Path(f"{name}.hvae").write_text(SPEC.replace(" = ", "   =  "), encoding="utf-8")
    except OSError:
        pytest.skip("the file system takes no such name")
    Path(f"{name} broken.hvae").write_text("hvae 1\nmodel { widht = 1 }\n", encoding="utf-8")
    Path(f"{name} folder").mkdir()

    def printed(*arguments: str, code: int) -> str:
        monkeypatch.setattr(sys, "argv", ["hvaedsl", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        captured = capsys.readouterr()
        assert (ended.value.code or 0) == code, captured.err
        return captured.out + captured.err

    missing = f"error: no {shown}: no such file or directory\n"
    for command in ("compile", "lint", "fmt", "table", "show"):
        assert printed(command, f"no {name}", code=2) == missing
    assert f"  no {shown}: no such file" in printed("table", f"no {name}", "missing", code=2)
    assert printed("lint", f"{name} folder", code=2).startswith(f"error: {shown} folder: no .hvae file")
    assert f"--> {shown} broken.hvae:2:" in printed("lint", f"{name} broken.hvae", code=1)
    assert f"{shown} broken.hvae:2:" in printed("lint", f"{name} broken.hvae", "--format", "concise", code=1)
    assert f"\n{shown}  " in printed("table", f"{name}.hvae", code=0)
    assert printed("compile", f"{name}.hvae", "--render", code=0).startswith(f"{shown}: digits, ")
    assert f"--- {shown}.hvae\n" in printed("fmt", "--diff", f"{name}.hvae", code=1)
    assert f"reformatted {shown}.hvae\n" in printed("fmt", f"{name}.hvae", code=0)
    assert printed("new", "mine", "--from", f"{name}.hvae", code=2 if "caf" in name else 0)


@pytest.mark.skipif(os.name == "nt", reason="the locale of POSIX")
def test_a_locale_without_utf_8(tmp_path: Path) -> None:
    """stdout has the error handler `surrogateescape` there, which refuses every letter that is not ASCII."""
    (tmp_path / "ünï.hvae").write_text(SPEC + 'paper { table = "ü → ∞" }\n', encoding="utf-8")
    for arguments in (("show", "ünï.hvae"), ("compile", "ünï.hvae"), ("diff", "digits", "ünï.hvae")):
        ended = in_pipe(*arguments, cwd=tmp_path, **WITHOUT_UTF8)
        assert (ended.returncode, ended.stderr) == (int(arguments[0] == "diff"), "")
    assert in_pipe("compile", "nö", cwd=tmp_path, **WITHOUT_UTF8).stderr.startswith(r"error: n\xc3\xb6: no such file")


def test_a_grid_and_a_console() -> None:
    grid = Grid(NAME, [Column(NAME, words=True), Column(NAME)], notes=[NAME])
    grid.add(NAME, NAME, style="bold")
    for width, count in ((30, 6), (200, 7)):  # stacked, the heading of the name is left out
        out = io.StringIO()
        text_console(out, width).print(grid, NAME)
        assert "\x1b" not in out.getvalue()
        assert out.getvalue().count("[/wip]") == count
        assert out.getvalue().count(":smile:") == count


# Names of rich that read markup or make a console of their own, and the one place of each.
PLACES = {
    "Console": "hvaedsl/report/terminal.py",
    "Table": "hvaedsl/report/grid.py",
    "Panel": "",
    "from_markup": "",
    "render_markup": "",
    "escape": "",
}
PRINTING = {"echo", "secho"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """The calls in a file, with the last part of the name that is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node


FILES = [*(ROOT / "hvaedsl").rglob("*.py"), *(ROOT / "runtime" / "hvaedsl_runtime").rglob("*.py")]


def test_consoles_and_tables_are_made_in_one_place() -> None:
    for path in FILES:
        place = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for name, call in calls(path):
            shown = f"{place}:{call.lineno}: {name}"
            assert name not in PLACES or "rich" not in text or place == PLACES[name], shown
            assert name not in PRINTING, f"{shown}: say or print_data prints"
            if name == "TextColumn":
                assert any(word.arg == "markup" and ast.unparse(word.value) == "False" for word in call.keywords), shown


# These tell of files that hide modules, which the streams import.
BEFORE_IMPORTS = ("hvaedsl/cli/start.py", "hvaedsl/cli/main.py")


def test_only_the_streams_print() -> None:
    """`print` is called by the streams, by a shell's completion, which is read by a shell, and before any import."""
    places = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        for name, call in calls(path)
        if name == "print" and isinstance(call.func, ast.Name)
    }
    assert places <= {"hvaedsl/diagnostics/streams.py", "hvaedsl/cli/completion.py", *BEFORE_IMPORTS}
