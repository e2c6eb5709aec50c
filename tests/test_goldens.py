"""Every diagnostic as a user sees it: its bad snippet in HVnnn.hvae, its rendering beside it in HVnnn.err.

`pytest tests/test_goldens.py --update-goldens` rewrites both; read the difference before you keep it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.check import Check
from hvaedsl.lint.selection import Selection
from hvaedsl.lint.texts import Texts, place_of
from hvaedsl.program import CustomParts, compile_source
from hvaedsl.report.explain import explanation
from hvaedsl.report.full import print_full
from hvaedsl.rules import KINDS
from hvaedsl.syntax.text import MAX_FILE_BYTES, read_source

GOLDENS = Path(__file__).parent / "goldens"
EXPLAINED = ("HV112", "HV303", "HV501")
ACCOMPANIED = {"HV116": {"HV101", "HV116"}}  # the end of too many errors comes behind those errors


def rendered(diagnostics: tuple[Diagnostic, ...]) -> str:
    file = io.StringIO()
    print_full(diagnostics, Console(file=file, width=100, color_system=None))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def compiled(source: Source, **options: Any) -> tuple[Diagnostic, ...]:
    return compile_source(source, **options).diagnostics


def linted(source: Source) -> tuple[Diagnostic, ...]:
    """What `lint` alone finds is found too."""
    return Check(Selection())(Texts({place_of(source): source})).found


def snippet(folder: Path, code: str, text: str) -> Source:
    """The snippet as a file of a project of its own, so that no path of this machine is printed."""
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    path = project / f"{code}.hvae"
    path.write_text(text, encoding="utf-8")
    return Source(path.name, text, path)


def not_utf8(folder: Path) -> tuple[Diagnostic, ...]:
    path = folder / "HV107.hvae"
    path.write_bytes("hvae 1\n".encode("utf-16"))
    with pytest.raises(SpecError) as caught:
        read_source(path, path.name)
    return caught.value.diagnostics


def too_large(folder: Path) -> tuple[Diagnostic, ...]:
    path = folder / "HV108.hvae"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(SpecError) as caught:
        read_source(path, path.name)
    return caught.value.diagnostics


def too_many_tokens(_: Path) -> tuple[Diagnostic, ...]:
    return compiled(Source("HV117.hvae", "hvae 1\n" + "x = 1\n" * 7_000))


def unknown_constant_override(_: Path) -> tuple[Diagnostic, ...]:
    return compiled(Source("HV209.hvae", KINDS["HV209"].good), lets={"m": "3"})


def unknown_key_override(_: Path) -> tuple[Diagnostic, ...]:
    return compiled(Source("HV218.hvae", KINDS["HV218"].good), sets={"model.widht": "3"})


def part_that_fails(folder: Path) -> tuple[Diagnostic, ...]:
    text = KINDS["HV220"].good.replace("my_parts:MyCell", "part_without_generate:MyCell")
    source = snippet(folder, "HV220", text)
    (folder / "project" / "part_without_generate.py").write_text(
        "from torch import nn\n\n\nclass MyCell(nn.Module):\n"
        "    def __init__(self, channels, mid_channels, latent, kernel):\n        super().__init__()\n\n"
        "    def forward(self, state, activation, noise):\n        return state, noise\n"
    )
    return compiled(source, custom=CustomParts())


def number_in_place_of_a_list(_: Path) -> tuple[Diagnostic, ...]:
    return compiled(Source("HV236.hvae", KINDS["HV236"].good), lets={"stage": "8"})


MADE: dict[str, Callable[[Path], tuple[Diagnostic, ...]]] = {
    "HV107": not_utf8,
    "HV108": too_large,
    "HV117": too_many_tokens,
    "HV209": unknown_constant_override,
    "HV218": unknown_key_override,
    "HV220": part_that_fails,
    "HV236": number_in_place_of_a_list,
}


def compare(path: Path, text: str, update: bool) -> None:
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.name} is missing: run with --update-goldens"
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("code", KINDS)
def test_bad(code: str, tmp_path: Path, update_goldens: bool) -> None:
    bad = KINDS[code].bad
    assert bool(bad) != (code in MADE), "a kind has a bad snippet, or the test makes what is bad"
    if bad:
        compare(GOLDENS / f"{code}.hvae", bad, update_goldens)
    found = linted(snippet(tmp_path, code, bad)) if bad else MADE[code](tmp_path)
    assert {item.code for item in found} == ACCOMPANIED.get(code, {code})
    assert len(found) == 1 or code in ACCOMPANIED
    compare(GOLDENS / f"{code}.err", rendered(found), update_goldens)


@pytest.mark.parametrize("code", KINDS)
def test_good(code: str, tmp_path: Path) -> None:
    assert linted(snippet(tmp_path, code, KINDS[code].good)) == ()


@pytest.mark.parametrize("code", KINDS)
def test_every_code_is_explained(code: str, update_goldens: bool) -> None:
    page = explanation(KINDS[code])
    assert page.startswith(f"# {code}: ")
    assert KINDS[code].good in page
    assert not re.search(r"\{\w", page.split("\n", 1)[0])  # no field of the template is left
    if code in EXPLAINED:
        compare(GOLDENS / f"{code}.explained", page, update_goldens)


def test_nothing_else_lies_among_the_goldens() -> None:
    expected = {f"{code}.err" for code in KINDS} | {f"{code}.hvae" for code in KINDS if code not in MADE}
    assert {path.name for path in GOLDENS.iterdir()} == expected | {f"{code}.explained" for code in EXPLAINED}
