from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from hvaedsl.diagnostics.printable import printable
from hvaedsl_runtime.drawing import as_label, import_matplotlib, own_settings
from tests.cli.pty_session import environment


def test_a_home_folder_that_is_read_only_is_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "file" / "matplotlib"))
    import_matplotlib()
    find = mpl.get_cachedir.__wrapped__  # type: ignore[attr-defined] # the function keeps its first answer
    with caplog.at_level(logging.WARNING):
        assert Path(find()).is_dir()
        assert caplog.messages == []
        logging.getLogger("matplotlib").warning("other warnings remain")
    assert caplog.messages == ["other warnings remain"]


def imported(statement: str, **more: str) -> subprocess.CompletedProcess[str]:
    code = f"{statement}; import os; print(os.environ.get('MPLBACKEND'))"
    return subprocess.run([sys.executable, "-c", code], env=environment(**more), capture_output=True, text=True)


@pytest.mark.parametrize(
    "statement",
    [
        "import hvaedsl_runtime.analysis.figures",
        "from hvaedsl_runtime.drawing import import_matplotlib; import_matplotlib()",
    ],
)
def test_the_backend_of_the_environment_is_not_read(statement: str) -> None:
    """Jupyter exports this one to its commands; other code finds the variable as it was."""
    done = imported(statement, MPLBACKEND="module://of_another_environment.backend")
    assert (done.returncode, done.stdout) == (0, "module://of_another_environment.backend\n"), done.stderr


def test_settings_that_are_not_text_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: \xff\n")
    done = imported("import hvaedsl_runtime.analysis", MPLCONFIGDIR=str(tmp_path))
    assert "UsageError: matplotlib cannot read its settings" in done.stderr.splitlines()[-1]


def test_the_settings_of_the_user_are_not_used_and_stay() -> None:
    with mpl.rc_context({"text.usetex": True, "lines.linewidth": 9.0, "font.size": 3.0}):
        with own_settings({"font.size": 8.0}):
            assert mpl.rcParams["text.usetex"] is False
            assert mpl.rcParams["lines.linewidth"] == mpl.rcParamsDefault["lines.linewidth"]
            assert mpl.rcParams["font.size"] == 8.0
        assert (mpl.rcParams["text.usetex"], mpl.rcParams["font.size"]) == (True, 3.0)


@pytest.mark.parametrize("name", ["$a_$", "cost$1$", "a^b$\\alpha$", "_base", "r\udce9", "one $ sign", "50 %_x"])
def test_a_name_of_the_user_is_drawn_as_it_is(name: str) -> None:
    """matplotlib takes a text between two $ as TeX, refuses lone surrogates, and leaves out labels with _ in front."""
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label=as_label(name))
    axes.set_title(as_label(name))
    (shown,) = axes.legend().get_texts()
    figure.canvas.draw()
    text, is_math = shown._preprocess_math(shown.get_text())  # type: ignore[attr-defined] # matplotlib's own decision
    assert not is_math
    assert text.strip() == printable(name)


def test_characters_that_no_font_has_are_numbers_and_no_warnings(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr("hvaedsl_runtime.drawing._characters", lambda: frozenset(range(0x250)))
    assert as_label("é") == "é"
    assert as_label("图2$") == r"\u56fe2\$"
    assert as_label("_图") == r" _\u56fe"

    figure = Figure()
    figure.text(0.5, 0.5, "\U000f0000")  # for private use: in no font
    with own_settings({}):
        figure.savefig(io.BytesIO(), format="svg")
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
