"""What a shell is offered, asked as a shell asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hvaedsl.cli.completion import complete_key, complete_spec, complete_spec_file
from hvaedsl.cli.main import _exit_code
from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.cells import CELL_NAMES
from hvaedsl.ir.datasets import NAMES
from hvaedsl.ir.spec import SECTIONS, keys
from hvaedsl.program import compile_source
from hvaedsl.shipped import shipped

WHOLE = """
hvae 1
data { dataset = npy channels = 1 resolution = 32 }
model { width = 8 latent = 4 encoder = 32x1, 32d2, 16x1 decoder = 16x1, 32m16 likelihood = bernoulli }
paper { nll = 1 }
"""
# Keys whose values do not fit each other, which completion of one key cannot know.
MISMATCHES = {"HV214", "HV217", "HV221", "HV222", "HV227", "HV228", "HV229", "HV244", "HV271", "HV272", "HV274"}
RUN = "import sys; sys.argv[0] = 'hvaedsl'; from hvaedsl.cli.main import run; run()"


def completed(*words: str, folder: Path | None = None) -> list[str]:
    environment = {
        **os.environ,
        "_HVAEDSL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("hvaedsl", *words)),
        "COMP_CWORD": str(len(words)),
    }
    return asked(environment, folder)


def completed_elsewhere(*words: str) -> list[str]:
    """The same as fish asks; zsh hands the words over alike."""
    return asked(
        {
            **os.environ,
            "_HVAEDSL_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_ARGS": " ".join(("hvaedsl", *words)),
        }
    )


def asked(environment: dict[str, str], folder: Path | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, env=environment, check=False, cwd=folder
    )
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_scripts_complete_the_command_itself(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if `python -m hvaedsl` writes them, which would otherwise take the place of Python's own completion."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["hvaedsl", option, "bash"])
    assert _exit_code("python -m hvaedsl") == 0
    script = capsys.readouterr().out
    if option == "--install-completion":
        script = (tmp_path / ".bash_completions" / "hvaedsl.sh").read_text()
    assert "_HVAEDSL_COMPLETE=complete_bash" in script
    assert script.rstrip().endswith("_completion hvaedsl")
    assert "python" not in script


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("dif",), ["diff"]),
        (("explain", "HV30"), [f"HV30{i}" for i in range(1, 10)]),
        (("explain", "hv303"), ["hv303"]),
        (("explain", "ce"), ["cell"]),
        (("explain", "cell", "n"), [name for name in CELL_NAMES if name.startswith("n")]),
        (("explain", "HV303", "n"), []),
        (("data", "prepare", "cel"), ["celeba"]),
        (("new", "mine", "--dataset", ""), list(NAMES)),
        (("lint", "--select", "HV60"), [f"HV60{i}" for i in range(1, 6)]),
        (("lint", "--ignore", "HV601,HV60"), [f"HV601,HV60{i}" for i in range(2, 6)]),
        (("lint", "--select", "HV30"), []),  # an error is always given
        (("compile", "digits", "--set", "train.lr"), ["train.lr_warmup_steps=", "train.lr_schedule="]),
        (("compile", "digits", "--set", "train.kl.f"), ["train.kl.free_nats=", "train.kl.free_nats=0"]),
        (
            ("compile", "digits", "--set", "train.augment.h"),
            [f"train.augment.horizontal_flip={word}" for word in ("", "true", "false")],
        ),
        (("compile", "digits", "--set", "train.steps"), ["train.steps=", "train.steps=100k"]),
        (("compile", "digits", "--set", "nonsense"), []),
    ],
)
def test_words(words: tuple[str, ...], found: list[str]) -> None:
    assert sorted(completed(*words)) == sorted(completed_elsewhere(*words)) == sorted(found)


@pytest.mark.parametrize(
    ("broken", "whole", "found"),
    [
        (("lint", "--set", "model.cell", "="), ("lint", "--set", "model.cell="), CELL_NAMES),
        (("lint", "--set", "model.cell", "=", "n"), ("lint", "--set", "model.cell=n"), ("nvae", "non_residual")),
        (("lint", "--set", "=", "model.cell", "=", "nv"), (), ("nvae",)),  # other shells complete no value of --set=
        (("lint", "--set", "model.nothing", "="), ("lint", "--set", "model.nothing="), ()),
        (
            ("compile", "--set", "model.width", "=", "4", "cifar_x"),
            ("compile", "--set", "model.width=4", "cifar_x"),
            (),
        ),
        (("diff", "git", ":", "HEAD", ":", "a.hvae", "cifar_x"), ("diff", "git:HEAD:a.hvae", "cifar_x"), ()),
    ],
)
def test_bash_breaks_words_at_its_marks(
    broken: tuple[str, ...], whole: tuple[str, ...], found: tuple[str, ...]
) -> None:
    """Bash is answered with what stands behind the last mark, other shells with the whole word."""
    wanted = sorted(found) or ([whole[-1]] if whole[-1] == "cifar_x" else [])
    assert sorted(completed(*broken)) == wanted
    if whole:
        written = whole[-1].rpartition("=")[0]
        assert sorted(completed_elsewhere(*whole)) == [f"{written}={item}" if written else item for item in wanted]


def test_quoted_words_stay_whole() -> None:
    assert completed("compile", "'a b.hvae'", "--set", "'model.width=4'", "--set", "model.cell", "=", "nv") == ["nvae"]


@pytest.mark.parametrize("name", [f"{path}.{name}" for path, kind in SECTIONS.items() for name in keys(kind)])
def test_what_is_offered_for_a_key_is_a_value_of_it(name: str) -> None:
    """And no key is offered alone, but those that take a map: a shell would write a space behind its `=`."""
    offers = [offer.partition("=")[2] for offer, _ in complete_key(f"{name}=")]
    assert bool(offers) == (name not in ("model.widths", "train.rates"))
    for offer in offers:
        found = compile_source(Source("<text>", WHOLE), sets={name: offer}).diagnostics
        amiss = [item for item in found if item.code.startswith("HV2")]
        assert {item.code for item in amiss} <= MISMATCHES, amiss


def test_specs_are_files_and_shipped_names(tmp_path: Path) -> None:
    (tmp_path / "cifar_mine.hvae").touch()
    (tmp_path / "cifar_notes.txt").touch()
    found = completed("train", "cifar", folder=tmp_path)
    assert "cifar_mine.hvae" in found
    assert {path.stem for path in shipped("specs").glob("cifar*.hvae")} <= set(found)
    assert "cifar_notes.txt" not in found


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("models/a.hvae", "models/deep/b.hvae", "empty/notes.txt", ".hidden/c.hvae"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert complete_spec("mod") == ["models/a.hvae"]
    assert complete_spec("models/") == ["models/a.hvae", "models/deep/b.hvae"]
    assert complete_spec("emp") == []  # a shell completes folders without a space behind them
    assert complete_spec_file("e") == []
    assert complete_spec_file("") == ["empty/", "models/a.hvae"]
    assert complete_spec(".hid") == [".hidden/c.hvae"]
    assert not [name for name in complete_spec("") if "hidden" in name]
    assert complete_spec("nowhere/x") == complete_spec("a\0b") == []


def test_a_command_that_starts_looks_nothing_up() -> None:
    code = (
        "import sys\nfrom hvaedsl.cli.main import run\nsys.argv = ['hvaedsl', '--version']\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "heavy = {'hvaedsl.report', 'hvaedsl.diff', 'hvaedsl.draft', 'hvaedsl.fmt', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_a_shell_is_shown(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--show-completion", shell],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "HVAEDSL_COMPLETE" in done.stdout


def test_former_names_of_options_are_not_offered() -> None:
    offered = completed("lint", "--")
    assert {"--format", "--json", "--custom"} <= set(offered)
    assert not {"--output-format", "--plugins"} & set(offered)
