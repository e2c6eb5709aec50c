"""Texts that are no specs: each is told with its place, exit code 1, no traceback, and little time."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.rules import KINDS
from tests.soak import soak

SPEC = """hvae 1
data { dataset = npy  channels = 3  resolution = 32 }
model {
  width = 16  latent = 4
  encoder = 32x2, 32d2, 16x1
  decoder = 16x1, 32m16, 32x2
}
"""
MOST_TIMES_EMPTY = 12  # of the CPU time for an empty spec on the same machine; about 5 where most is reported


@dataclass(frozen=True)
class Hostile:
    """A file, and each diagnostic that it must give: code, line, column."""

    name: str
    data: str | bytes
    expected: tuple[tuple[str, int, int], ...]

    @property
    def bytes(self) -> bytes:
        return self.data.encode() if isinstance(self.data, str) else self.data


def encoder(name: str, text: str, *expected: tuple[str, int, int]) -> Hostile:
    return Hostile(name, SPEC.replace("32x2, 32d2, 16x1", text), expected)


def model(name: str, text: str, *expected: tuple[str, int, int]) -> Hostile:
    return Hostile(name, SPEC.replace("width = 16  latent = 4", text), expected)


def top(name: str, text: str, *expected: tuple[str, int, int]) -> Hostile:
    return Hostile(name, SPEC.replace("hvae 1\n", f"hvae 1\n{text}\n", 1), expected)


CASES = (
    Hostile("empty", "", (("HV119", 1, 1),)),
    Hostile("blank", "\ufeff \n\n", (("HV119", 1, 1),)),
    Hostile("comments_alone", "\n# later\n", (("HV119", 1, 1),)),
    Hostile("version_alone", "hvae 1\n", (("HV207", 1, 7),)),
    encoder("no_count", "32x, 32d2, 16x1", ("HV113", 5, 16)),
    encoder("no_operator", "32q12", ("HV112", 5, 15)),
    encoder("pool_by_0", "32d0", ("HV304", 5, 16)),
    encoder("pool_by_3", "32d3", ("HV303", 5, 16)),
    encoder("no_blocks", "32x0, 0*16x1", ("HV204", 5, 13)),
    encoder("pool_at_0", "0d2", ("HV310", 5, 13)),
    encoder("too_many_blocks", "32r999999999", ("HV313", 5, 13)),
    encoder("negative", "-32x1", ("HV204", 5, 13)),
    encoder("negative_later", "32x1, -32d2, 16x1", ("HV204", 5, 19)),
    encoder("arabic_digits", "٣٢x1", ("HV102", 5, 13)),
    encoder("arabic_count", "32x٣", ("HV102", 5, 16)),
    encoder("cyrillic", "32х1", ("HV102", 5, 15)),
    encoder("fullwidth", "３２x1", ("HV102", 5, 13)),
    encoder("behind_wide_characters", '32x1, "😀", 32х1', ("HV204", 5, 19), ("HV102", 5, 26)),
    encoder("upper_case", "32X1", ("HV110", 5, 13)),
    encoder("trailing_comma", "32x1, 32d2, 16x1,", ("HV101", 5, 29)),
    encoder("parentheses", "(" * 100_000, ("HV109", 5, 13 + 63)),
    encoder("closed_parentheses", "(" * 100_000 + "8x1" + ")" * 100_000, ("HV109", 5, 13 + 63)),
    encoder("lists", "[" * 65, ("HV109", 5, 13 + 63)),
    encoder("calls", "f(" * 65, ("HV109", 5, 13 + 2 * 64 - 1)),
    encoder("repetitions", "9*(" * 60 + "32x1" + ")" * 60, ("HV313", 5, 13)),
    encoder("huge_repetition", "9" * 5_000 + "*32x1", ("HV115", 5, 13)),
    encoder("huge_count", "32x" + "9" * 5_000, ("HV115", 5, 13)),
    encoder("zero_resolution", "0x1", ("HV310", 5, 13)),
    model("huge_number", "width = " + "1" * 5_000 + "  latent = 4", ("HV115", 4, 11)),
    model("infinite", "width = 16  latent = 4  bottleneck = 1e999", ("HV205", 4, 40)),
    model("nul", "width = 16\0 latent = 4", ("HV102", 4, 13)),
    model("unknown_key", "widht = 16  latent = 4", ("HV201", 4, 3)),
    model("duplicate_key", "width = 16  latent = 4  width = 8", ("HV203", 4, 27)),
    model("wrong_type", 'width = "16"  latent = 4', ("HV204", 4, 11)),
    model("long_name", "width = 16  latent = 4 " + "a" * 500_000 + " = 1", ("HV201", 4, 26)),
    model("long_string", 'width = "' + "a" * 500_000 + '"  latent = 4', ("HV204", 4, 11)),
    model("deep_maps", "widths = " + "{1:" * 65, ("HV109", 4, 12 + 3 * 63)),
    Hostile("deep_sections", "hvae 1\n" + "a {" * 70, (("HV202", 2, 1), ("HV109", 2, 3 * 65))),
    Hostile("unclosed_brace", SPEC.rstrip().removesuffix("}"), (("HV103", 3, 7),)),
    Hostile("unclosed_first_brace", SPEC.replace("32 }", "32"), (("HV103", 2, 6),)),
    Hostile("unmatched_brace", SPEC + "}", (("HV104", 8, 1),)),
    Hostile("unknown_section", SPEC.replace("model {", "modell {"), (("HV202", 3, 1),)),
    Hostile("nothing_but_nul", b"\0" * 1000, (("HV102", 1, 1),)),
    Hostile("utf_16", SPEC.encode("utf-16"), (("HV107", 1, 1),)),
    Hostile("utf_16_without_bom", SPEC.encode("utf-16-le"), (("HV107", 1, 1),)),
    Hostile("latin_1", SPEC.replace("hvae 1", "hvae 1 # é").encode("latin-1"), (("HV107", 1, 10),)),
    Hostile("large", b"#" * 50_000_000, (("HV108", 1, 1),)),
    Hostile("many_statements", "hvae 1\n" + "a=1\n" * 262_000, (("HV117", 6668, 1),)),
    Hostile("many_blocks", "hvae 1 model { encoder = 1" + ",1" * 500_000 + "}", (("HV117", 1, 20_020),)),
    Hostile("many_strings", 'hvae 1\nx = "' * 80_000, (("HV117", 6668, 1),)),
    top("unclosed_extends", 'extends "vdvae.hvae', ("HV114", 2, 9)),
    top("extends_outside", 'extends "../../etc/passwd"', ("HV212", 2, 9)),
    top("extends_absolute", 'extends "/etc/passwd"', ("HV212", 2, 9)),
    top("extends_nul", 'extends "a\0b"', ("HV210", 2, 9)),
    top("extends_long", f'extends "{"a" * 5_000}"', ("HV210", 2, 9)),
    top("extends_folder", 'extends "."', ("HV210", 2, 9)),
    top("extends_itself", 'extends "extends_itself.hvae"', ("HV211", 2, 9)),
    top("huge_version", "hvae " + "1" * 5_000, ("HV111", 2, 1), ("HV115", 2, 6)),
    top("deep_reference", "let n = $n", ("HV237", 2, 9)),
)


def project(folder: Path) -> Path:
    (folder / "pyproject.toml").touch()
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_process(case: Hostile, tmp_path: Path) -> None:
    path = project(tmp_path) / f"{case.name}.hvae"
    path.write_bytes(case.bytes)
    with pytest.raises(SpecError) as caught:
        hvaedsl.load(path)
    found = [(item.code, item.span.line, item.span.column) for item in caught.value.diagnostics]
    assert tuple(found) == case.expected


# --- on the command line

COMMAND = (sys.executable, "-c", "from hvaedsl.cli.main import run; run()")


def command_line(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """What the command printed, and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture(scope="module")
def empty_seconds(tmp_path_factory: pytest.TempPathFactory) -> float:
    folder = project(tmp_path_factory.mktemp("empty"))
    (folder / "empty.hvae").touch()
    command_line(folder, "compile", "empty.hvae")  # may write the grammar's table
    return min(command_line(folder, "compile", "empty.hvae")[1] for _ in range(2))


# The processes of all cases take a minute, and the error path of most is the same. The sample has the empty file,
# encodings, paths of bases, and the texts that are large, for the time that they take.
SAMPLED = {"empty", "latin_1", "utf_16", "nothing_but_nul", "unclosed_brace", "extends_absolute", "extends_nul"}


@pytest.mark.parametrize(
    "case",
    [case if case.name in SAMPLED or len(case.bytes) > 10_000 else soak(case) for case in CASES],
    ids=lambda case: case.name,
)
def test_command_line(case: Hostile, tmp_path: Path, empty_seconds: float) -> None:
    name = f"{case.name}.hvae"
    (project(tmp_path) / name).write_bytes(case.bytes)
    done, seconds = command_line(tmp_path, "compile", name)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 100_000
    places = re.findall(rf"error\[(HV\d+)\].*\n *--> {re.escape(name)}:(\d+):(\d+)\n", done.stderr)
    for code, line, column in case.expected:
        assert (code, str(line), str(column)) in places
    assert seconds < empty_seconds * MOST_TIMES_EMPTY


def generated(kind: str) -> bytes:
    """1 MiB of random text, always the same."""
    source = random.Random(kind)
    if kind == "bytes":
        return source.randbytes(1 << 20)
    if kind == "text":
        return "".join(source.choices('abcxrdm019{}()[]=,:*@$"\n #.-_é', k=1 << 19)).encode()
    words = [
        "x",
        "=",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "32x1",
        "32d2",
        "8",
        "1.5",
        ",",
        "*",
        "@",
        "$n",
        '"s"',
        "hvae",
        "let",
    ]
    if kind == "statements":
        words = ["x =", "32x1", "y {", "}", "let z =", "8", ",", "\n"]
    return " ".join(source.choices(words, k=300_000)).encode()[: 1 << 20]


@pytest.mark.parametrize("kind", ["bytes", "text", "tokens", "statements"])
def test_a_mebibyte_of_noise(kind: str, tmp_path: Path, empty_seconds: float) -> None:
    (tmp_path / "noise.hvae").write_bytes(generated(kind))
    done, seconds = command_line(tmp_path, "compile", "noise.hvae")
    assert done.returncode == 1
    assert set(re.findall(r"error\[(HV\d+)\]", done.stderr)) <= set(KINDS)
    assert "Traceback" not in done.stderr
    assert seconds < empty_seconds * MOST_TIMES_EMPTY


@pytest.mark.parametrize("seed", range(60))
def test_noise_gives_diagnostics_with_places(seed: int) -> None:
    """Mutations of a sound spec: never an exception of ours, and places that lie inside the text."""
    source = random.Random(seed)
    for _ in range(10):
        text = SPEC
        for _ in range(source.randint(1, 6)):
            at = source.randrange(len(text))
            new = source.choice(
                ["", "{", "}", "(", ")", "=", ",", "@g", "2*", '"', "$n", "é", "\0", "#", "x = ", " 8 ", "m"]
            )
            text = text[:at] + new + text[at + source.randint(0, 4) :]
        try:
            hvaedsl.loads(text)
        except SpecError as error:
            for item in error.diagnostics:
                span, lines = item.span, text.split("\n")
                assert 0 <= span.start <= span.end <= len(text)
                assert 1 <= span.line <= len(lines)
                assert span.start == sum(len(line) + 1 for line in lines[: span.line - 1]) + span.column - 1
                assert item.message


def section(lines: Iterable[str]) -> str:
    return "hvae 1\nmodel {\n" + "\n".join(lines) + "\n}\n"


THOUSANDS: dict[str, tuple[str, int]] = {
    "unknown_keys": (section(f"key{i} = {i}" for i in range(6_000)), 6_000),
    "similar_keys": (section(f"width{i} = {i}" for i in range(6_000)), 6_000),
    "undefined_constants": (
        SPEC.replace("hvae 1\n", "hvae 1\n" + "".join(f"let size{i} = 1\n" for i in range(3_000))).replace(
            "32x2", ", ".join(f"32x$siez{i}" for i in range(1_500))
        ),
        1_500,
    ),
}


@pytest.mark.parametrize("name", THOUSANDS)
def test_thousands_of_errors(name: str, tmp_path: Path, empty_seconds: float) -> None:
    text, least = THOUSANDS[name]
    (tmp_path / "many.hvae").write_text(text)
    done, seconds = command_line(tmp_path, "compile", "many.hvae")
    assert done.returncode == 1
    assert "more\n\n" in done.stderr
    count = re.search(r"^(\d+) errors", done.stderr, re.MULTILINE)
    assert count is not None
    assert least <= int(count[1]) <= least + 10
    assert seconds < empty_seconds * MOST_TIMES_EMPTY


# --- what is no regular file

SPECIAL: dict[str, Callable[[Path], object]] = {
    "missing": Path,
    "folder": lambda path: path.mkdir(),
    "fifo": lambda path: os.mkfifo(path),
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "full": lambda path: path.symlink_to("/dev/full"),
    "dangling": lambda path: path.symlink_to("nothing"),
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_no_regular_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.hvae"
    SPECIAL[kind](path)
    with pytest.raises(UsageError, match=re.escape(path.name)):
        hvaedsl.load(path)
    done, _ = command_line(tmp_path, "compile", path.name)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["a" * 5_000, "no\nsuch.hvae", "", "[bold]", "\udcff.hvae", "a\0b"])
def test_names_of_no_file(name: str) -> None:
    with pytest.raises(UsageError):
        hvaedsl.load(name)


@pytest.mark.parametrize("kind", [kind for kind in SPECIAL if kind != "missing"])
def test_a_base_that_is_no_regular_file(kind: str, tmp_path: Path) -> None:
    SPECIAL[kind](project(tmp_path) / "base.hvae")
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(SPEC.replace("hvae 1", 'hvae 1 extends "base.hvae"'), path=tmp_path / "child.hvae")
    (found,) = caught.value.diagnostics
    assert found.code in ("HV210", "HV212")
    assert (found.span.line, found.span.column) == (1, 16)


def test_a_link_out_of_the_project(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "base.hvae").write_text("hvae 1\n")
    (inside / "base.hvae").symlink_to(outside / "base.hvae")
    (inside / "folder").symlink_to(outside)
    for target in ("base.hvae", "folder/base.hvae", "../outside/base.hvae", str(outside / "base.hvae")):
        with pytest.raises(SpecError) as caught:
            hvaedsl.loads(SPEC.replace("hvae 1", f'hvae 1 extends "{target}"'), path=inside / "child.hvae")
        assert [item.code for item in caught.value.diagnostics] == ["HV212"]
    (tmp_path / "pyproject.toml").touch()  # now both folders are one project
    hvaedsl.loads(SPEC.replace("hvae 1", 'hvae 1 extends "base.hvae"'), path=inside / "child.hvae")


def test_a_circle_is_shown_as_its_path(tmp_path: Path) -> None:
    for name, target in (("a", "b"), ("b", "c"), ("c", "b")):
        (project(tmp_path) / f"{name}.hvae").write_text(f'hvae 1\nextends "{target}.hvae"\n')
    with pytest.raises(SpecError) as caught:
        hvaedsl.load(tmp_path / "a.hvae")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("HV211", "this spec extends itself: b.hvae -> c.hvae -> b.hvae")
    assert found.span.source.path == tmp_path / "c.hvae"
    assert (found.span.line, found.span.column, found.span.end_column) == (2, 9, 17)


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf" + SPEC.encode(), SPEC.replace("\n", "\r\n").encode(), SPEC.replace("\n", " ").encode()]
)
def test_byte_order_mark_and_line_ends_change_nothing(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "spec.hvae"
    path.write_bytes(data)
    assert hvaedsl.load(path).bridge == hvaedsl.loads(SPEC).bridge
    assert hvaedsl.loads(data.decode()).bridge == hvaedsl.loads(SPEC).bridge
    assert command_line(tmp_path, "lint", "spec.hvae")[0].returncode == 0


def test_places_behind_a_byte_order_mark_and_in_crlf(tmp_path: Path) -> None:
    path = tmp_path / "spec.hvae"
    path.write_bytes(b"\xef\xbb\xbf" + SPEC.replace("32d2", "32q2").replace("\n", "\r\n").encode())
    done, _ = command_line(tmp_path, "lint", "spec.hvae", "--format", "json")
    (found,) = json.loads(done.stdout)
    assert (found["line"], found["column"], found["end_column"]) == (5, 21, 22)
    path.write_bytes(b"\xef\xbb\xbfhvaee 1\n")
    done, _ = command_line(tmp_path, "lint", "spec.hvae", "--format", "json")
    assert json.loads(done.stdout)[0]["column"] == 1
