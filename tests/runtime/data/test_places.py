from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from hvaedsl.diagnostics.errors import DataNotFound, RunError, UsageError
from hvaedsl_runtime.data.opening import open_split
from hvaedsl_runtime.data.places import default_folder, located, not_found, places
from hvaedsl_runtime.data.prepare import check_source


def test_a_written_path_is_the_only_place(make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", "elsewhere")
    assert list(places(make_spec("mnist", path="here"))) == [Path("here")]


def test_the_environment_variable_comes_before_the_cache(
    make_spec: Any, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(places(make_spec("mnist"))) == [cache_folder]
    monkeypatch.setenv("HVAEDSL_DATA", "")  # as if unset; an empty path would be the working directory
    assert list(places(make_spec("mnist"))) == [cache_folder]
    monkeypatch.setenv("HVAEDSL_DATA", "elsewhere")
    assert list(places(make_spec("mnist"))) == [Path("elsewhere"), cache_folder]


def test_a_tilde_is_the_home_folder(make_spec: Any) -> None:
    assert list(places(make_spec("mnist", path="~/images"))) == [Path.home() / "images"]


def test_the_home_folder_of_nobody_is_told(make_spec: Any) -> None:
    with pytest.raises(RunError, match=r"data\.path is ~no-such-user/images") as caught:
        places(make_spec("mnist", path="~no-such-user/images"))
    assert caught.value.exit_code == 4


def test_a_path_is_made_independent_of_the_working_directory(
    make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert located(make_spec("mnist", path="here")).path == str(tmp_path / "here")
    for path in (None, "~/images", str(tmp_path)):
        assert located(make_spec("mnist", path=path)).path == path


def test_the_way_out_of_a_written_path_is_that_path(make_spec: Any, tmp_path: Path) -> None:
    relative = not_found(make_spec("mnist", path="here"), "some files", "fetch them").help
    assert relative == f"fetch them, or correct data.path, which is relative to the working directory, {Path.cwd()}"
    assert not_found(make_spec("mnist", path=str(tmp_path)), "", "fetch them").help == (
        "fetch them, or correct data.path"
    )


@pytest.mark.parametrize("dataset", ["folder", "npy", "mnist"])
def test_a_folder_that_looks_the_same_is_named(make_spec: Any, tmp_path: Path, dataset: str) -> None:
    there, missing = (tmp_path / unicodedata.normalize(form, "Übung") for form in ("NFD", "NFC"))
    there.mkdir()
    if missing.exists():
        pytest.skip("the file system takes both forms for one name")
    with pytest.raises(RunError) as caught:
        open_split(make_spec(dataset, path=str(missing)), "train")
    assert f"{there} is there, written with other characters of Unicode" in caught.value.help
    with pytest.raises(UsageError, match="which does not exist") as refused:
        check_source(missing)
    assert f"{there} is there" in refused.value.help


@pytest.mark.parametrize(("path", "variable"), [("$HOME/x", "$HOME"), ("a/${DATA}", "${DATA}"), ("5$/x", None)])
def test_a_variable_in_a_path_is_told(make_spec: Any, path: str, variable: str | None) -> None:
    told = f"write the value of {variable}, which only a shell puts in its place; "
    help_text = not_found(make_spec("npy", path=path), "train.npy", "save it there").help or ""
    assert help_text.startswith(told) == (variable is not None)


def test_the_error_lists_every_place(make_spec: Any, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", "elsewhere")
    error = not_found(make_spec("mnist"), "some files", "fetch them")
    assert error.exit_code == 4
    assert str(error).splitlines() == [
        "the images of mnist were not found; expected some files in",
        "  elsewhere (HVAEDSL_DATA)",
        f"  {cache_folder} (the cache folder)",
    ]
    assert error.help.startswith("fetch them, or set data.path")


def test_a_working_directory_that_a_spec_cannot_name_is_refused(
    make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    monkeypatch.chdir(folder)
    with pytest.raises(
        RunError, match=r"data\.path is images, in a working directory whose name is not UTF-8"
    ) as caught:
        located(make_spec("npy", path="images"))
    assert caught.value.exit_code == 4
    assert located(make_spec("npy", path=str(tmp_path))).path == str(tmp_path)


def test_without_a_cache_folder_the_message_says_what_to_set(
    make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvaedsl_runtime.data.places.user_cache", lambda: None)
    assert list(places(make_spec("mnist", path="here"))) == [Path("here")]
    assert open_split(make_spec(), "train").name == "digits"  # it is in a package

    for download in (False, True):
        with pytest.raises(DataNotFound, match="mnist were not found: there is no cache folder, because") as caught:
            open_split(make_spec("mnist", resolution=32), "train", download=download)
        assert caught.value.help.startswith("set data.path or the environment variable HVAEDSL_DATA")
    with pytest.raises(UsageError, match="there is no cache folder") as wrong:
        default_folder("mnist")
    assert "--out" in wrong.value.help

    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path))
    assert default_folder("mnist") == tmp_path / "mnist"
    assert list(places(make_spec("mnist"))) == [tmp_path]


def test_an_environment_variable_with_the_home_folder_of_nobody_is_told(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HVAEDSL_DATA", "~no-such-user/images")
    for search in (lambda: places(make_spec("mnist")), lambda: default_folder("mnist")):
        with pytest.raises(DataNotFound, match="HVAEDSL_DATA is ~no-such-user/images"):
            search()
