from __future__ import annotations

import logging
from pathlib import Path

import matplotlib as mpl
import pytest

import hvaedsl_runtime.analysis
import hvaedsl_runtime.sweep  # noqa: F401 - both quiet matplotlib


def test_a_home_folder_that_is_read_only_is_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "file" / "matplotlib"))
    find = mpl.get_cachedir.__wrapped__  # type: ignore[attr-defined] # the function keeps its first answer
    with caplog.at_level(logging.WARNING):
        assert Path(find()).is_dir()
        assert caplog.messages == []
        logging.getLogger("matplotlib").warning("other warnings remain")
    assert caplog.messages == ["other warnings remain"]
