"""What lint has found is found again without compiling, in every format alike, and never where something changed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hvaedsl.program
from hvaedsl.cli.main import run
from hvaedsl.custom.importing import CustomParts
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint import cache as cache_module
from hvaedsl.lint.cache import CacheKey, LintCache, lint_result
from hvaedsl.lint.linted import lint_sources
from hvaedsl.program import compile_source
from hvaedsl.report.as_data import findings_data, findings_of
from hvaedsl.report.as_json import to_json
from hvaedsl.rules import KINDS
from hvaedsl.syntax.text import source_of

GOOD = """hvae 1
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
ADVICE = GOOD.replace("4x1, 8m4, 8x2", "8x2")
CHILD = 'hvae 1\nextends "base.hvae"\nmodel { latent = 3 }\n'

Compiled = list[str]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs to work in; the path of the cache beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("HVAEDSL_CACHE", str(tmp_path / "cache"))
    Path("pyproject.toml").touch()
    return tmp_path / "cache" / "lint"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """The names of the specs that are compiled from now on."""
    names: Compiled = []
    real: Callable[..., object] = compile_source

    def counted(source: Source, **options: object) -> object:
        names.append(source.name)
        return real(source, **options)

    monkeypatch.setattr(hvaedsl.program, "compile_source", counted)
    monkeypatch.setattr("hvaedsl.lint.processes.useful_processes", lambda: 1)  # all are compiled in this process
    return names


def lint(*arguments: str) -> int:
    sys.argv = ["hvaedsl", "lint", *arguments]
    with pytest.raises(SystemExit) as stop:
        run()
    return int(stop.value.code or 0)


def question(text: str, name: str = "a.hvae", *, custom: bool = False, **sets: str) -> CacheKey:
    return CacheKey(Source(name, text, Path(name)), sets, {}, custom)


@pytest.mark.parametrize("code", KINDS)
def test_every_kind_comes_back_as_it_was(code: str) -> None:
    source = Source("bad.hvae", KINDS[code].bad, Path("bad.hvae"))
    compilation = compile_source(source)
    documents = [document.source for document in compilation.documents]
    data = json.loads(json.dumps(findings_data(compilation.diagnostics, documents)))
    again = tuple(findings_of(data, documents))
    assert again == compilation.diagnostics
    assert to_json(again) == to_json(compilation.diagnostics)
    assert [(d.label_text, d.help_text, d.notes) for d in again] == [
        (d.label_text, d.help_text, d.notes) for d in compilation.diagnostics
    ]


@pytest.mark.parametrize("output_format", ["full", "concise", "json", "github", "sarif"])
def test_every_format_prints_the_same_from_the_cache(
    cache: Path, compiled: Compiled, capfd: pytest.CaptureFixture[str], output_format: str
) -> None:
    for code, kind in KINDS.items():
        Path(f"{code}.hvae").write_text(kind.bad, encoding="utf-8")
    Path("base.hvae").write_text("hvae 1\ndata { dataset = cifar1 }\n")
    Path("child.hvae").write_text(CHILD)
    printed = []
    for flags in (["--no-cache"], [], []):
        assert lint(".", "--format", output_format, "--set", "model.width=17", *flags) == 1
        printed.append(capfd.readouterr().out)
    assert printed[0] == printed[1] == printed[2] != ""
    first, second, third = (compiled[at : at + len(KINDS) + 2] for at in (0, len(KINDS) + 2, 2 * len(KINDS) + 4))
    assert first == second
    assert len(third) < len(KINDS) // 4  # those whose base was not found are compiled each time
    assert set(third) <= {file.name for file in Path().glob("*.hvae") if "extends" in file.read_text(encoding="utf-8")}


def test_an_unchanged_spec_is_not_compiled(cache: Path, compiled: Compiled) -> None:
    Path("good.hvae").write_text(GOOD)
    Path("advice.hvae").write_text(ADVICE)
    assert [lint("good.hvae"), lint("advice.hvae")] == [0, 1]
    assert [lint("good.hvae"), lint("advice.hvae")] == [0, 1]
    assert compiled == ["good.hvae", "advice.hvae"]
    os.utime("good.hvae", (1, 1))  # the time of a file says nothing
    lint("good.hvae")
    assert len(compiled) == 2
    Path("good.hvae").write_text(ADVICE)
    assert lint("good.hvae") == 1
    Path("good.hvae").write_text(GOOD)
    assert lint("good.hvae") == 0
    assert compiled[2:] == ["good.hvae"]


@pytest.mark.parametrize(
    "arguments", [["--set", "model.width=32"], ["--let", "n=3"], ["--no-cache"], ["--set", "model.width=1.5"]]
)
def test_overrides_are_other_questions(cache: Path, compiled: Compiled, arguments: list[str]) -> None:
    Path("good.hvae").write_text(GOOD)
    lint("good.hvae")
    lint("good.hvae", *arguments)
    assert len(compiled) == 2


def test_a_base_that_changes_goes_or_comes_is_seen(cache: Path, compiled: Compiled) -> None:
    Path("child.hvae").write_text(CHILD)
    assert lint("child.hvae") == 1  # no base at all
    Path("base.hvae").write_text(GOOD)
    assert lint("child.hvae") == 0
    assert lint("child.hvae") == 0
    assert len(compiled) == 2
    Path("base.hvae").write_text(ADVICE)
    assert lint("child.hvae") == 1
    Path("base.hvae").unlink()
    assert lint("child.hvae") == 1
    Path("base.hvae").write_text(GOOD)
    assert lint("child.hvae") == 0
    assert len(compiled) == 5


def test_a_base_beside_the_spec_takes_the_place_of_a_shipped_one(cache: Path) -> None:
    Path("child.hvae").write_text('hvae 1\nextends "digits.hvae"\n')
    assert [lint("child.hvae"), lint("child.hvae")] == [0, 0]
    Path("digits.hvae").write_text("hvae 1\ndata { dataset = nothing }\n")
    assert lint("child.hvae") == 1


def test_bases_known_and_compiled_are_bases_alike(cache: Path) -> None:
    Path("child.hvae").write_text(f"{CHILD}data {{ dataset = digits }}\n")
    Path("base.hvae").write_text(GOOD.replace("data { dataset = digits }", ""))
    assert [lint("."), lint("."), lint(".")] == [0, 0, 0]
    assert lint("base.hvae") == 1


def test_another_judge_judges_anew(cache: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("good.hvae").write_text(GOOD)
    lint("good.hvae")
    monkeypatch.setattr(cache_module, "_checks_digest", lambda: "a rule has been added")
    lint("good.hvae")
    assert len(compiled) == 2


def _damage(entry: Path) -> list[bytes]:
    content = entry.read_bytes()
    text = content.partition(b"\n")[2].decode()

    def signed(other: str) -> bytes:
        return f"{cache_module._digest(other)}\n{other}".encode()

    return [
        b"",
        content[:-5],
        content.replace(b"HV", b"XY"),
        b"\xff\xfe" + content,
        signed("null"),
        signed("[1, 2]"),
        signed('{"chain": []}'),
        signed('{"chain": 3, "found": []}'),
        signed('{"chain": [["x"]], "found": []}'),
        signed('{"chain": [], "found": [{"code": "HV999"}]}'),
        signed(text.replace('"fields":{', '"fields":{"unknown":1,')),
        signed(text.replace('"span":[0,', '"span":[7,')),
    ]


def test_damaged_and_foreign_entries_count_as_none(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("advice.hvae").write_text(ADVICE)
    lint("advice.hvae")
    wanted = capfd.readouterr()
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    for content in _damage(entry):
        entry.write_bytes(content)
        assert lint("advice.hvae") == 1
        assert capfd.readouterr() == wanted
        assert entry.read_bytes() == whole, content
    entry.unlink()
    entry.mkdir()
    assert lint("advice.hvae") == 1
    assert capfd.readouterr() == wanted
    assert list(cache.iterdir()) == [entry]  # nothing half written beside it


def test_a_cache_that_cannot_be_written_stops_nobody(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("good.hvae").write_text(GOOD)
    cache.parent.mkdir()
    cache.write_text("a file")
    assert lint("good.hvae") == 0
    cache.unlink()
    cache.mkdir()
    monkeypatch.setattr(Path, "write_text", _full_disk)
    assert lint("good.hvae") == 0
    assert list(cache.iterdir()) == []


def _full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_off_writes_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("good.hvae").write_text(GOOD)
    assert lint("good.hvae", "--no-cache") == 0
    monkeypatch.setenv("HVAEDSL_CACHE", "off")
    assert lint("good.hvae") == 0
    assert not cache.exists()


def test_the_longest_unasked_are_taken_out(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_ENTRIES", 10)
    names = [f"{index}.hvae" for index in range(12)]
    for index, name in enumerate(names):
        Path(name).write_text(f"{GOOD}# {index}\n")
    lint_sources(map(source_of, names[:10]), cache=LintCache(cache))
    for age, entry in enumerate(cache.iterdir()):
        os.utime(entry, (age, age))
    lint_sources(map(source_of, names[:1]), cache=LintCache(cache))  # asked for again
    lint_sources(map(source_of, names[10:]), cache=LintCache(cache))
    assert len(list(cache.iterdir())) == 9
    assert LintCache(cache).recall(question(f"{GOOD}# 0\n", "0.hvae")) is not None
    assert LintCache(cache).recall(question(f"{GOOD}# 11\n", "11.hvae")) is not None


def test_a_large_entry_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_ENTRY_BYTES", 10)
    Path("good.hvae").write_text(GOOD)
    lint("good.hvae")
    assert not cache.exists()


def test_what_modules_of_ones_own_may_change_is_not_kept(cache: Path) -> None:
    store = LintCache(cache)
    own = GOOD.replace("latent = 4", 'latent = 4  cell = "no.such:Cell"')
    for text in (own, GOOD.replace("8d2", "8q2")):
        asked = question(text, custom=True)
        store.remember(asked, compile_source(asked.source, custom=CustomParts()))
        assert store.recall(asked) is None
    asked = question(GOOD, custom=True)
    compilation = compile_source(asked.source, custom=CustomParts())
    store.remember(asked, compilation)
    assert store.recall(asked) == lint_result(compilation)
    assert store.recall(question(GOOD)) is None
