"""A path that looks like another which is there: the message says so, and names a way out that works."""

from __future__ import annotations

import subprocess
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.unicode_forms import other_form

SPEC = "hvae 1\nmodel { width = 8 latent = 2 encoder = 8x1, 8d8, 1x1 decoder = 1x1, 8m1 }\n"
COMPOSED: Literal["NFC"] = "NFC"
DECOMPOSED: Literal["NFD"] = "NFD"


@pytest.fixture(params=[(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)], ids="-".join)
def there_and_missing(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A folder in one form of Unicode, in a folder of the same, and its path in the other form."""
    there, missing = (
        tmp_path / unicodedata.normalize(form, "Übung 'é'") / unicodedata.normalize(form, "é") for form in request.param
    )
    there.mkdir(parents=True)
    if missing.exists():
        pytest.skip("the file system takes both forms for one name")
    return there, missing


def test_what_looks_like_the_path_is_found(there_and_missing: tuple[Path, Path]) -> None:
    there, missing = there_and_missing
    found = other_form(missing)
    assert found is not None
    assert found.path == there
    assert f"{there} is there, written with other characters of Unicode that look the same" in found.help


def test_the_command_renames_it(there_and_missing: tuple[Path, Path]) -> None:
    there, missing = there_and_missing
    for _ in range(2):  # one command a folder
        found = other_form(missing)
        assert found is not None
        command = found.help.rpartition("rename it: ")[2]
        assert command.isascii()
        subprocess.run(["bash", "-c", command], check=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    assert missing.is_dir()
    assert not there.exists()


def test_a_path_that_is_there_or_nowhere_has_no_other_form(there_and_missing: tuple[Path, Path]) -> None:
    there, missing = there_and_missing
    assert other_form(there) is None
    assert other_form(missing / "none") is None
    assert other_form(there.with_name("ascii")) is None


def test_specs_and_bases_say_so(there_and_missing: tuple[Path, Path]) -> None:
    there, missing = there_and_missing
    (there / "s.hvae").write_text(SPEC, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        hvaedsl.load(missing / "s.hvae")
    assert "look the same" in caught.value.help

    base = unicodedata.normalize("NFD", "é.hvae")
    (there / base).write_text(SPEC, encoding="utf-8")
    child = there / "child.hvae"
    child.write_text(f'hvae 1\nextends "{unicodedata.normalize("NFC", base)}"\n', encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        hvaedsl.load(child)
    assert "look the same" in refused.value.report
