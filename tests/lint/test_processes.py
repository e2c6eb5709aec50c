"""`lint` in several processes: the same output, files and errors as in one, whatever happens to the processes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hvaedsl.program
from benchmarks.lint import write_variants
from hvaedsl.cli.main import run
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.lint import processes
from hvaedsl.lint.linted import lint_sources
from hvaedsl.program import compile_source
from hvaedsl.rules import KINDS
from hvaedsl.syntax.text import source_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="one process there")

GOOD = """hvae 1
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
FORMATS = ("full", "concise", "json", "github", "sarif")
Lint = Callable[..., tuple[int, str, str]]


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec for each kind of finding, bases, comments, and files that are refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    folder = tmp_path / "specs"
    folder.mkdir()
    Path("pyproject.toml").write_text('[tool.hvaedsl]\nignore = ["HV503"]\n')
    for code, kind in KINDS.items():
        (folder / f"{code}.hvae").write_text(kind.bad, encoding="utf-8")
    (folder / "base.hvae").write_text(f"{GOOD}let n = 2  # hvae: ignore[HV514] for children\n")
    for number in range(20):
        width = 0 if number == 7 else 16 + number
        keys = f"width = {width}  decoder = 8x{number + 1}"
        text = f'hvae 1\nextends "base.hvae"  # hvae: ignore[HV502]\nmodel {{ {keys} }}\n'
        (folder / f"child_{number}.hvae").write_text(text)
    (folder / "latin.hvae").write_bytes(b"hvae 1\n# \xe9\n")
    (folder / "large.hvae").write_bytes(b"#" * (1 << 20) + b"#")
    (folder / "nowhere.hvae").symlink_to("missing.hvae")
    return folder


@pytest.fixture
def few(specs: Path) -> Path:
    """The folder with a fifth of the kinds, where it is a process that is tested and not what it returns."""
    for code in KINDS:
        if code[-1] not in "37":
            (specs / f"{code}.hvae").unlink()
    return specs


@pytest.fixture
def lint(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Lint:
    """Runs `hvaedsl lint` with a number of processes; returns the exit code and both outputs."""
    monkeypatch.setattr(processes, "MIN_SHARE", 2)

    def command(count: int, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(processes, "useful_processes", lambda: count)
        monkeypatch.setattr(sys, "argv", ["hvaedsl", "lint", *arguments])
        capfd.readouterr()
        before = _children()
        with pytest.raises(SystemExit) as stop:
            run()
        out, err = capfd.readouterr()
        assert _children() <= before
        return int(stop.value.code or 0), out, err

    return command


def _children() -> set[str]:
    """The processes that this one has started and not waited for; other tests of a pytest worker may have left some."""
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


@pytest.fixture
def in_helpers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Replaces what a helper does for the specs from the fifth one on."""

    def replaced(action: Callable[[], None]) -> None:
        parent, done = os.getpid(), 0

        def other(*arguments: Any, **options: Any) -> object:
            nonlocal done
            done += 1
            if os.getpid() != parent and done > 5:
                action()
            return compile_source(*arguments, **options)

        monkeypatch.setattr(hvaedsl.program, "compile_source", other)

    return replaced


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_output_is_that_of_one_process(
    specs: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output_format: str
) -> None:
    arguments = ("specs", "specs/missing.hvae", "--format", output_format)
    expected = lint(1, *arguments, "--no-cache")
    assert expected[0] == 2  # of the files that are refused; the findings are printed
    assert len(expected[1]) > 1000
    assert "nowhere.hvae" in expected[2]
    for count in (2, 3, 5):
        assert lint(count, *arguments, "--no-cache") == expected
    for count in (1, 4):
        monkeypatch.setenv("HVAEDSL_CACHE", str(tmp_path / f"cache_{count}"))
        assert [lint(count, *arguments) for _ in range(2)] == [expected] * 2
    assert _names(tmp_path / "cache_1") == _names(tmp_path / "cache_4") != set()


def _names(cache: Path) -> set[str]:
    return {item.name for item in (cache / "lint").iterdir()}


def test_findings_and_sources_are_equal(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MIN_SHARE", 2)
    files = sorted(specs.glob("[Hbc]*.hvae"))
    one, several = (lint_sources(map(source_of, files), processes=count) for count in (1, 3))
    assert (one.found, one.results) == (several.found, several.results)
    own = [result.sources[-1] for result in several.results]
    assert len({id(source) for source in own}) == len(own)


def test_fixes_are_those_of_one_process(specs: Path, lint: Lint, tmp_path: Path) -> None:
    shutil.copytree(specs, tmp_path / "copy", symlinks=True)
    shutil.copytree(specs, tmp_path / "kept", symlinks=True)
    outputs = []
    for count in (1, 3):
        os.chdir(tmp_path)
        shutil.rmtree(specs)
        shutil.copytree(tmp_path / "kept", specs, symlinks=True)
        diff = lint(count, "specs", "--diff", "--unsafe-fixes")
        found = lint(count, "specs", "--fix", "--unsafe-fixes", "--format", "json")
        texts = {file.name: file.read_bytes() for file in specs.glob("*.hvae") if file.exists()}
        outputs.append((diff, found, texts))
    assert outputs[0] == outputs[1]
    assert outputs[0][2] != {
        file.name: file.read_bytes() for file in (tmp_path / "kept").glob("*.hvae") if file.exists()
    }


def test_standard_input_needs_no_helper(specs: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", none)
    with (specs / "base.hvae").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert lint(4, "-", "--stdin-filename", "specs/new.hvae")[0] == 0


@pytest.mark.parametrize("end", ["killed", "ended", "raised", "refused", "interrupted", "silent"])
def test_what_a_helper_does_not_return_is_done_here(
    few: Path, lint: Lint, in_helpers: Callable[[Callable[[], None]], None], end: str
) -> None:
    expected = lint(1, "specs", "--no-cache")

    def raised(error: BaseException) -> None:
        raise error

    in_helpers(
        {
            "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "ended": lambda: os._exit(3),
            "raised": lambda: raised(RuntimeError("in a helper")),
            "refused": lambda: raised(UsageError("in a helper")),
            "interrupted": lambda: raised(KeyboardInterrupt()),
            "silent": lambda: raised(MemoryError()),
        }[end]
    )
    for count in (2, 4):
        assert lint(count, "specs", "--no-cache") == expected


def test_results_that_cannot_travel_are_made_here(few: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = lint(1, "specs", "--no-cache")
    monkeypatch.setattr("hvaedsl.lint.task._Pickler.dump", lambda *_: 1 / 0)
    assert lint(3, "specs", "--no-cache") == expected


def test_half_a_result_is_none(few: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    from hvaedsl.lint.task import Compiling

    expected, whole = lint(1, "specs", "--no-cache"), Compiling.dump
    monkeypatch.setattr(Compiling, "dump", lambda *given: whole(*given)[:-100])
    assert lint(3, "specs", "--no-cache") == expected


def test_a_bug_is_reported_as_by_one_process(few: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: Any, **options: Any) -> object:
        if source.name.endswith(("child_3.hvae", "child_9.hvae", "HV303.hvae")):
            raise ZeroDivisionError(source.name)
        return compile_source(source, **options)

    monkeypatch.setattr(hvaedsl.program, "compile_source", broken)
    expected = lint(1, "specs", "--no-cache")
    assert expected[0] == 3
    assert "HV303.hvae" in expected[2]
    assert lint(3, "specs", "--no-cache") == expected


def test_a_configuration_that_cannot_be_read_is_reported_after_the_specs_before_it(
    few: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (few / "z").mkdir()
    (few / "z" / "pyproject.toml").write_text("[tool.hvaedsl]\nother = 1\n")
    (few / "z" / "last.hvae").write_text(GOOD)
    monkeypatch.setenv("HVAEDSL_CACHE", "off")
    expected = lint(1, "specs")
    assert (expected[0], "other" in expected[2]) == (2, True)
    assert lint(3, "specs") == expected


@pytest.mark.parametrize("refused", ["fork", "pipe"])
def test_a_system_that_refuses_processes_or_pipes(
    few: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    expected = lint(1, "specs", "--no-cache")
    for allowed in (0, 1, 2):
        left, real = [allowed], getattr(os, refused)

        def limited(left: list[int] = left, real: Callable[[], object] = real) -> object:
            if not left[0]:
                raise OSError(24, "Too many open files")
            left[0] -= 1
            return real()

        descriptors = len(os.listdir("/dev/fd"))  # noqa: PTH208
        with monkeypatch.context() as patch:
            patch.setattr(os, refused, limited)
            assert lint(4, "specs", "--no-cache") == expected
        assert len(os.listdir("/dev/fd")) == descriptors  # noqa: PTH208


def test_a_full_disk(few: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HVAEDSL_CACHE", str(tmp_path / "cache"))

    def full(path: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device", str(path))

    expected = lint(1, "specs", "--no-cache")
    (tmp_path / "cache" / "lint").mkdir(parents=True)
    monkeypatch.setattr(Path, "write_text", full)
    assert lint(3, "specs") == expected
    assert list((tmp_path / "cache" / "lint").iterdir()) == []


def test_useful_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert processes.useful_processes() == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    assert processes.useful_processes() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(300)))
    assert processes.useful_processes() == processes.MAX_PROCESSES
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert processes.useful_processes() == 1
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert processes.useful_processes() == 1


def test_few_specs_start_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forks, fork = 0, os.fork

    def counted() -> int:
        nonlocal forks
        forks += 1
        return fork()

    monkeypatch.setattr(os, "fork", counted)
    files = [tmp_path / f"{number}.hvae" for number in range(2 * processes.MIN_SHARE)]
    for number, file in enumerate(files):
        file.write_text(f"{GOOD}# {number}\n")
    lint_sources(map(source_of, files), processes=4)
    assert forks == 0  # the first is done before the others are shared
    last = tmp_path / "last.hvae"
    last.write_text(GOOD)
    lint_sources(map(source_of, [*files, last]), processes=4)
    assert forks == 1


def test_changing_a_base_makes_its_children_new_and_no_other(
    tmp_path: Path, lint: Lint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HVAEDSL_CACHE", str(tmp_path / "cache"))
    write_variants(tmp_path / "specs", 150)
    base = tmp_path / "specs" / "base_3.hvae"
    assert lint(3, str(tmp_path / "specs"))[0] in (0, 1)
    times = {item.name: item.stat().st_ino for item in (tmp_path / "cache" / "lint").iterdir()}
    base.write_text(base.read_text() + "# changed\n")

    read: list[str] = []

    def counted(source: Any, **options: Any) -> object:
        read.append(Path(source.name).name)
        return compile_source(source, **options)

    monkeypatch.setattr(hvaedsl.program, "compile_source", counted)
    lint(1, str(tmp_path / "specs"))
    children = [file.name for file in (tmp_path / "specs").iterdir() if '"base_3.hvae"' in file.read_text()]
    assert len(children) == 2
    assert sorted(read) == sorted(["base_3.hvae", *children])
    assert len({item.name for item in (tmp_path / "cache" / "lint").iterdir()} - set(times)) == 1  # the base's own
