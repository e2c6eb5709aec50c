"""The commands that need no torch: what they print, and how they end."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.cli.main import run
from hvaedsl.ir.bridge_text import parse_bridge
from hvaedsl.ir.cells import CELL_NAMES, CELLS
from hvaedsl.rules import KINDS

GOOD = """hvae 1
let n = 2
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8r$n, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
ADVICE = GOOD.replace("4x1, 8m4, 8x2", "8x2")
BAD = GOOD.replace("8d2", "8q2")


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def hvae(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, text in (("good", GOOD), ("advice", ADVICE), ("bad", BAD)):
        Path(f"{name}.hvae").write_text(text)
    return Command(monkeypatch, capsys)


@dataclass(frozen=True)
class Command:
    """Runs `hvaedsl ARGUMENTS` in a folder with good.hvae, advice.hvae and bad.hvae."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        self.monkeypatch.setattr(sys, "argv", ["hvaedsl", *arguments])
        try:
            run()
            code: object = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = self.capsys.readouterr()
        assert isinstance(code, int)
        return Ended(code, captured.out, captured.err)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("compile good.hvae", 0),
        ("compile advice.hvae", 0),
        ("compile bad.hvae", 1),
        ("compile digits.hvae", 0),
        ("compile specs/digits.hvae", 0),
        ("compile missing.hvae", 2),
        ("compile .", 2),
        ("compile", 2),
        ("compile good.hvae --emit foo", 2),
        ("compile good.hvae --emit dot --json", 2),
        ("compile good.hvae --emit python", 0),
        ("compile good.hvae --emit python --json", 2),
        ("compile good.hvae --batch-size 0", 2),
        ("compile good.hvae --set model.width", 2),
        ("compile good.hvae --set =3", 2),
        ("compile good.hvae --set model.width=3 --set model.width=4", 2),
        ("compile good.hvae --set model.widht=3", 1),
        ("compile good.hvae --let m=3", 1),
        ("compile good.hvae --let n=3", 0),
        ("show good.hvae", 0),
        ("show bad.hvae", 1),
        ("lint good.hvae", 0),
        ("lint advice.hvae", 1),
        ("lint bad.hvae", 1),
        ("lint missing.hvae", 2),
        ("lint", 2),
        ("lint .", 1),
        ("explain", 0),
        ("explain hv303", 0),
        ("explain HV999", 2),
        ("explain HV303 nvae", 2),
        ("explain cell", 0),
        ("explain cell nvae", 0),
        ("explain cell nvea", 2),
        ("nonsense", 2),
        ("--version", 0),
    ],
)
def test_exit_codes(hvae: Command, arguments: str, code: int) -> None:
    ended = hvae(*arguments.split())
    assert ended.code == code
    assert "Traceback" not in ended.err
    if code == 2:
        assert ended.out == ""
        assert ended.err


def test_compile_prints_the_cost(hvae: Command) -> None:
    program = hvaedsl.loads(GOOD)
    out = hvae("compile", "good.hvae").out
    assert f"{program.cost.parameters:,} parameters, stochastic depth 4" in out
    found = json.loads(hvae("compile", "good.hvae", "--json", "--batch-size", "5").out)
    assert found["parameters"] == program.cost.parameters
    assert found["activation_bytes_float32"] == program.cost.activation_bytes(5)


def test_every_stage_is_printed(hvae: Command) -> None:
    bridge = hvae("compile", "good.hvae", "--emit", "bridge").out
    assert parse_bridge(bridge) == hvaedsl.loads(GOOD).bridge
    assert hvaedsl.loads(hvae("compile", "good.hvae", "--emit", "spec").out).bridge == hvaedsl.loads(GOOD).bridge
    assert "Block resolution=8 operator='r' @4:" in hvae("compile", "good.hvae", "--emit", "ast").out
    assert hvae("compile", "good.hvae", "--emit", "dot").out.startswith("digraph")
    for stage in ("ast", "spec", "bridge"):
        json.loads(hvae("compile", "good.hvae", "--emit", stage, "--json").out)
    operations = json.loads(hvae("compile", "good.hvae", "--emit", "bridge", "--json").out)["operations"]
    assert len(operations) == len(bridge.splitlines()) - 1


def test_show_compiles_to_the_same_program(hvae: Command) -> None:
    shown = hvae("show", "good.hvae", "--let", "n=4", "--set", "model.latent=3").out
    again, first = hvaedsl.loads(shown), hvaedsl.loads(GOOD, lets={"n": 4}, sets={"model.latent": 3})
    assert (again.bridge, again.spec) == (first.bridge, first.spec)


def test_provenance(hvae: Command) -> None:
    Path("child.hvae").write_text('hvae 1\nextends "good.hvae"\nmodel { latent = 3 }\n')
    arguments = ("show", "child.hvae", "--provenance", "--set", "train.steps=5")
    lines = {line.split()[0]: line.split("# ", 1)[1] for line in hvae(*arguments).out.splitlines() if "# " in line}
    assert lines["latent"] == "child.hvae:3:18"
    assert lines["width"] == "good.hvae:4:17"
    assert lines["steps"] == "--set train.steps"
    assert lines["validation"] == "the dataset"
    assert lines["binarize"] == "default for this likelihood"
    assert lines["bottleneck"] == "default"
    found = json.loads(hvae(*arguments, "--json").out)["provenance"]
    assert found["model.latent"] == "child.hvae:3:18"
    assert found["data.resolution"] == "the dataset"


def test_provenance_through_names(hvae: Command) -> None:
    good = Path("good.hvae").read_text().replace("hvae 1", "hvae 1\nlet k = $n + 1\nlet top = (8x1, 8r$n)", 1)
    Path("named.hvae").write_text(good)
    Path("child.hvae").write_text(
        'hvae 1\nextends "named.hvae"\nmodel { latent = 2*$k  decoder = $base, $top }\nsample { count = $n }\n'
    )
    out = hvae("show", "child.hvae", "--provenance", "--let", "n=5").out
    lines = {line.split()[0]: line.split("# ", 1)[1] for line in out.splitlines() if "# " in line}
    assert lines["latent"] == "child.hvae:3:18 via $k (named.hvae:2:5), $n (--let n)"
    assert lines["count"] == "child.hvae:4:18 via $n (--let n)"
    assert lines["decoder"].startswith("child.hvae:3:34 via $base (named.hvae:")
    assert lines["decoder"].endswith("$top (named.hvae:3:5), $n (--let n)")


def test_lint_as_json(hvae: Command) -> None:
    assert json.loads(hvae("lint", "good.hvae", "--format", "json").out) == []
    (found,) = json.loads(hvae("lint", "bad.hvae", "--format", "json").out)
    assert set(found) == {
        *("code", "severity", "message", "help", "fix"),
        *("path", "line", "column", "end_line", "end_column"),
    }
    assert (found["code"], found["severity"], found["path"]) == ("HV112", "error", "bad.hvae")
    assert (found["line"], found["column"], found["end_line"], found["end_column"]) == (4, 50, 4, 51)
    Path("fixed.hvae").write_text(GOOD.replace("8r$n", "8x2@g"))
    (found,) = json.loads(hvae("lint", "fixed.hvae", "--format", "json").out)
    (edit,) = found["fix"]["edits"]
    assert (edit["line"], edit["replacement"]) == (4, "r")


def test_lint_of_a_folder_tells_a_bases_mistake_once(hvae: Command) -> None:
    folder = Path("specs")
    (folder / "deep").mkdir(parents=True)
    (folder / "base.hvae").write_text(BAD)
    for name in ("one", "two"):
        (folder / f"{name}.hvae").write_text('hvae 1\nextends "base.hvae"\n')
    (folder / "deep" / "good.hvae").write_text(GOOD)
    (folder / "notes.txt").write_text("no spec")
    found = json.loads(hvae("lint", "specs", "--format", "json").out)
    assert [(item["code"], item["path"]) for item in found] == [("HV112", "specs/base.hvae")]
    assert "nothing found in 1 spec" in hvae("lint", "specs/deep").out


def test_findings_go_to_the_error_stream_of_other_commands(hvae: Command) -> None:
    ended = hvae("compile", "bad.hvae", "--json")
    assert ended.out == ""
    assert "error[HV112]" in ended.err
    assert ended.err.endswith("1 error\n")


def test_version_and_list_of_codes(hvae: Command) -> None:
    assert hvae("--version").out == f"hvaedsl {hvaedsl.__version__}\n"
    assert [line.split()[0] for line in hvae("explain").out.splitlines()] == list(KINDS)


def test_cells_are_explained(hvae: Command) -> None:
    assert [line.split()[0] for line in hvae("explain", "cell").out.splitlines()] == list(CELL_NAMES)
    for name in CELL_NAMES:
        page = hvae("explain", "cell", name).out
        assert page.startswith(f"# {name}: ")
        assert all(equation in page.splitlines() for equation in CELLS[name].equations)
    assert "did you mean `nvae`?" in hvae("explain", "cell", "nvea").err
