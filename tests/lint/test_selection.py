"""Which advice is given: `[tool.hvaedsl]` of each file's project, and `--select` and `--ignore` over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]  # of the fixture `hvae`

# HV502 and HV503 and HV601.
SPEC = """hvae 1
data { dataset = digits }
model {
  width = 16  latent = 4  widths = {2: 64}
  encoder = 8x2, 8d2, 4x1
  decoder = 4x1, 8x2
}
train { steps = 2000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.9999 }
"""


@pytest.fixture
def lint(hvae: Command) -> Callable[..., list[str]]:
    """The codes that are found, in a project whose pyproject.toml the first argument is."""
    Path("spec.hvae").write_text(SPEC)

    def codes(configuration: str, *arguments: str) -> list[str]:
        Path("pyproject.toml").write_text(f"[tool.hvaedsl]\n{configuration}\n")
        ended = hvae("lint", *(arguments or ("spec.hvae",)), "--format", "concise")
        assert ended.err == ""
        assert ended.code == bool(ended.out)
        return [line.split(": ")[1].split()[0] for line in ended.out.splitlines()]

    return codes


@pytest.mark.parametrize(
    ("configuration", "found"),
    [
        ("", ["HV502", "HV503", "HV601"]),
        ('select = ["HV502"]', ["HV502"]),
        ('select = ["HV5"]', ["HV502", "HV503"]),
        ("select = []", []),
        ('ignore = ["HV5"]', ["HV601"]),
        ('ignore = ["HV5", "HV601"]', []),
        ('select = ["HV503", "HV6"]\nignore = ["HV5"]', ["HV503", "HV601"]),
        ('select = ["HV5"]\nignore = ["HV5"]', []),
        ('per-file-ignores = { "*.hvae" = ["HV502"], "other/" = ["HV503"] }', ["HV503", "HV601"]),
        ('per-file-ignores = { "/spec.hvae" = ["HV"] }', []),
        ('select = ["HV502"]\nper-file-ignores = { "spec.hvae" = ["HV5"] }', []),
    ],
)
def test_the_project_chooses(configuration: str, found: list[str], lint: Callable[..., list[str]]) -> None:
    assert lint(configuration) == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--select", "HV502"], ["HV502"]),
        (["--select", "HV502,HV6"], ["HV502", "HV601"]),
        (["--select", "HV502", "--select", "HV6"], ["HV502", "HV601"]),
        (["--ignore", "HV5"], ["HV601"]),
        (["--ignore", "HV601", "--select", "HV6,HV503"], ["HV503"]),
    ],
)
def test_the_command_line_overrides_it(arguments: list[str], found: list[str], lint: Callable[..., list[str]]) -> None:
    assert lint('ignore = ["HV503"]', "spec.hvae", "--ignore", "HV502") == ["HV503", "HV601"]
    assert lint('select = ["HV601"]\nignore = ["HV502"]', "spec.hvae", "--select", "HV5", "--ignore", "HV601") == [
        "HV502",
        "HV503",
    ]
    assert lint("", "spec.hvae", *arguments) == found


def test_the_nearest_project_counts_for_each_file(lint: Callable[..., list[str]]) -> None:
    other = Path("other")
    other.mkdir()
    (other / "pyproject.toml").write_text('[tool.hvaedsl]\nselect = ["HV503"]\n')
    (other / "spec.hvae").write_text(SPEC)
    assert lint('select = ["HV601"]', ".") == ["HV503", "HV601"]


def test_the_working_directory_is_not_the_files_project(
    lint: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Path("here").absolute(), Path("there").absolute()
    for folder in (here, there):
        folder.mkdir()
    (there / "spec.hvae").write_text(SPEC)
    Path("spec.hvae").unlink()
    monkeypatch.chdir(here)  # whose pyproject.toml is written there, below
    assert lint("select = []", "../there/spec.hvae") == ["HV502", "HV503", "HV601"]


def test_errors_are_always_given(lint: Callable[..., list[str]]) -> None:
    Path("spec.hvae").write_text(SPEC.replace("8d2", "8d3"))
    assert lint('select = []\nper-file-ignores = { "*" = ["HV"] }') == ["HV303"]


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        ('select = ["HV59"]\nignore = ["HV589"]', "ignore: no advice has the code `HV589`; did you mean `HV5"),
        ('ignore = ["hv502"]', "no advice has the code `hv502`; did you mean `HV502`?"),
        ('ignore = ["HV303"]', "`HV303` selects errors, which always show; select advice: HV5xx and HV6xx"),
        ('ignore = ["HV3"]', "`HV3` selects errors"),
        ('ignore = ["E501"]', "no advice has the code `E501`"),
        ('ignore = [""]', "no advice has the code ``; advice is HV5xx and HV6xx"),
        ('ignore = "HV502"', 'ignore: must be a list of codes, such as ["HV5"]'),
        ("ignore = [502]", 'ignore.0: a code must be in quotes, such as "HV5"'),
        ("custom = true\nplugins = true", "has `custom` and also `plugins`, its former name; remove `plugins`"),
        ('custom = "yes"', "custom: must be true or false"),
        ('per-file-ignores = "a.hvae"', "per-file-ignores: must be a table of patterns and their codes"),
        (
            'per-file-ignores = { "" = ["HV5"] }',
            'per-file-ignores."": expected a file pattern in the syntax of .gitignore',
        ),
        ('per-file-ignores = { "a.hvae" = ["HV999"] }', "per-file-ignores.a.hvae: no advice has the code `HV999`"),
        ('ignored = ["HV502"]', "has no key `ignored`: did you mean `ignore`?"),
        ('per-file-ignores = { "!" = ["HV502"] }', "expected a file pattern in the syntax of .gitignore"),
        ('per-file-ignores = { "# a" = ["HV502"] }', "expected a file pattern in the syntax of .gitignore"),
        ('per-file-ignores = { "!a.hvae" = ["HV502"] }', "expected a file pattern in the syntax of .gitignore"),
        ("colour = 1", "has no key `colour`: its keys are custom, select, ignore and per-file-ignores"),
    ],
)
def test_what_it_cannot_hold(configuration: str, says: str, hvae: Command) -> None:
    Path("pyproject.toml").write_text(f"[tool.hvaedsl]\n{configuration}\n")
    Path("spec.hvae").write_text(SPEC)
    ended = hvae("lint", "spec.hvae")
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err.replace("\n", "")
    assert "pyproject.toml: [tool.hvaedsl] " in ended.err.replace("\n", "")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("tool = 3", 0, ""),  # wrong, and not about this tool
        ("[tool]\nhvaedsl = []", 2, "[tool.hvaedsl] must be a table"),
        ("[tool.hvaedsl]", 0, ""),
    ],
)
def test_a_table_that_is_none(text: str, code: int, says: str, hvae: Command) -> None:
    Path("pyproject.toml").write_text(text)
    ended = hvae("lint", "good.hvae")
    assert ended.code == code
    assert says in ended.err.replace("\n", "")


def test_a_byte_order_mark_is_skipped(hvae: Command) -> None:
    Path("pyproject.toml").write_text("[tool.hvaedsl]\nselect = 3\n", encoding="utf-8-sig")
    assert "[tool.hvaedsl] select: must be a list of codes" in hvae("lint", "good.hvae").err.replace("\n", " ")


def test_the_command_line_cannot_either(hvae: Command) -> None:
    assert "--select: no advice has the code `HV9`" in hvae("lint", "good.hvae", "--select", "HV9").err
    ended = hvae("lint", "good.hvae", "--ignore", "HV303")
    assert ended.code == 2
    assert "--ignore: `HV303` selects errors" in ended.err
