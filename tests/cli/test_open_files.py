"""A limit on open files is named as such, whichever file is opened last."""

from __future__ import annotations

import errno
import sys
from typing import Never

import pytest

from hvaedsl.cli import main


@pytest.mark.parametrize(("number", "way_out"), [(errno.EMFILE, "ulimit -n"), (errno.ENFILE, "close other programs")])
def test_a_limit_that_no_command_expects(
    number: int, way_out: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(**_: object) -> Never:
        raise OSError(number, "Too many open files", "spec.hvae")

    monkeypatch.setattr(main, "app", refused)
    monkeypatch.setattr(sys, "argv", ["hvaedsl", "lint"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "spec.hvae: too many open files" in printed
    assert way_out in printed
