"""`hvaedsl lint --format`: one golden for each format, over the specs of the folder formats/.

`pytest tests/lint --update-goldens` writes the goldens; read the difference before you keep it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hvaedsl import __version__
from hvaedsl.diagnostics.span import Source
from hvaedsl.report.github import to_github
from hvaedsl.rules import KINDS

Command = Callable[..., Any]  # of the fixture `hvae`
HERE = Path(__file__).parent
FORMATS = ("full", "concise", "json", "github", "sarif")
ENDINGS = {"json": ".json", "sarif": ".sarif"}


@pytest.fixture
def found(hvae: Command) -> Command:
    """The command line in a folder with the specs of formats/."""
    for path in (HERE / "formats").glob("*.hvae"):
        shutil.copy(path, path.name)
    return hvae


def subset() -> Any:
    """The rules that SARIF has for what is written."""
    return json.loads((HERE / "sarif_subset.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FORMATS)
def test_goldens(name: str, found: Command, update_goldens: bool) -> None:
    ended = found("lint", ".", "--format", name)
    assert (ended.code, ended.err) == (1, "")
    text = ended.out.replace(f'"version": "{__version__}"', '"version": "VERSION"')
    golden = HERE / "formats" / f"{name}{ENDINGS.get(name, '.txt')}"
    if update_goldens:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_where_nothing_is_found(name: str, hvae: Command) -> None:
    ended = hvae("lint", "good.hvae", "--format", name)
    assert (ended.code, ended.err) == (0, "")
    if name == "full":
        assert ended.out == "nothing found in 1 spec\n"
    elif name == "json":
        assert json.loads(ended.out) == []
    elif name == "sarif":
        (run,) = json.loads(ended.out)["runs"]
        assert run["results"] == []  # and not left out: the service then closes what was found before
        jsonschema.validate(json.loads(ended.out), subset())
    else:
        assert ended.out == ""


def test_sarif_of_every_snippet_is_valid(hvae: Command) -> None:
    log = json.loads(hvae("lint", str(HERE.parent / "goldens"), "--format", "sarif").out)
    jsonschema.validate(log, subset())
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert {rule["id"] for rule in rules} >= {"HV101", "HV216", "HV303", "HV316", "HV403", "HV502", "HV590", "HV601"}


def test_the_schema_finds_what_is_wrong(found: Command) -> None:
    log = json.loads(found("lint", ".", "--format", "sarif").out)
    jsonschema.validate(log, subset())
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, subset())


def test_a_finding_of_the_command_line_has_no_file(hvae: Command) -> None:
    ended = hvae("lint", "good.hvae", "--set", "model.widht=3", "--format", "sarif")
    log = json.loads(ended.out)
    jsonschema.validate(log, subset())
    (result,) = log["runs"][0]["results"]
    assert result["locations"] == [{"message": {"text": "--set model.widht"}}]
    concise = hvae("lint", "good.hvae", "--set", "model.widht=3", "--format", "concise")
    assert concise.out == "--set model.widht:1:1: HV218 unknown key `model.widht` for `--set`\n"


def test_workflow_commands_are_escaped() -> None:
    source = Source("a,b:c%.hvae", "dataset = a\nb", Path("a.hvae"))
    item = KINDS["HV206"](span=source.span(0, 3), key="x\ny", symbol="100 %: ::error::", known=("a",))  # type: ignore[call-arg]
    (line,) = to_github([item]).splitlines()
    head = "::error file=a%2Cb%3Ac%25.hvae,line=1,col=1,endLine=1,endColumn=4,title=HV206::"
    assert line == head + "unknown value `100 %25: ::error::` for `x%0Ay`%0Ahelp: the values are a"
    (line,) = to_github([KINDS["HV107"](span=source.span(0, 13), reason="why")]).splitlines()  # type: ignore[call-arg]
    assert "endLine=2,title" in line, "columns of two lines are refused"


@pytest.mark.parametrize("workspace", ["", "the checkout", "elsewhere"])
def test_paths_of_code_hosts_are_those_of_the_checkout(
    workspace: str, found: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whichever folder the command runs, and in whichever form the path is given."""
    checkout = tmp_path / "checkout"
    (checkout / "models" / "deep").mkdir(parents=True)
    (checkout / ".git").mkdir()
    spec = checkout / "models" / "a spec.hvae"
    spec.write_text("hvae 1\nmodel { widht = 1 }\n")
    (checkout / "linked").symlink_to("models")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    if workspace:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(checkout if workspace == "the checkout" else tmp_path / workspace))

    for folder, given in (
        ("models/deep", "../a spec.hvae"),
        ("models", "."),
        (".", "models"),
        (".", "linked/a spec.hvae"),
        (".", str(spec)),
    ):
        monkeypatch.chdir(checkout / folder)
        printed = found("lint", given, "--format", "github").out
        log = json.loads(found("lint", given, "--format", "sarif").out)
        places = [item["locations"][0]["physicalLocation"] for item in log["runs"][0]["results"]]
        assert printed.startswith("::error file=models/a spec.hvae,line=2,")
        assert {place["artifactLocation"]["uri"] for place in places} == {"models/a%20spec.hvae"}
