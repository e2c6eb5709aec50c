"""The user's cache folder, and what works without one: a container's user may have neither HOME nor an entry."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl import user_cache
from hvaedsl.cli.main import run
from hvaedsl.syntax.grammar import hvae_parser

ROOT = Path(__file__).parents[1]


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without a home folder, in an empty working directory."""
    pwd = pytest.importorskip("pwd")

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for variable in ("HOME", "XDG_CACHE_HOME", "HVAEDSL_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_folder_has_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_cache.user_cache() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache.user_cache() == tmp_path / "hvaedsl"


def test_a_tilde_that_was_not_replaced_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_cache, "_is_linux", lambda: False)
    monkeypatch.setattr(user_cache, "_platform_cache", lambda: Path("~/.cache/hvaedsl"))
    assert user_cache.user_cache() is None


@pytest.mark.skipif(sys.platform != "linux", reason="platformdirs is used there")
@pytest.mark.parametrize("stated", [None, "", "  ", "/elsewhere", "/else where/", "relative"])
def test_on_linux_it_is_the_folder_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stated: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if stated is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", stated)
    of_package = user_cache._platform_cache()
    if of_package.is_absolute():  # early versions take relative paths
        assert user_cache.user_cache() == of_package


@pytest.mark.usefixtures("homeless")
def test_specs_are_compiled_and_linted_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hvae_parser.cache_clear()
    hvaedsl.load(ROOT / "specs" / "digits.hvae")
    monkeypatch.setattr(sys, "argv", ["hvaedsl", "lint", str(ROOT / "specs" / "digits.hvae")])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 0
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []
