from __future__ import annotations

import math
import os
import shlex
import string
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo
from typer.core import TyperGroup

from hvaedsl.cli.main import app
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.run_options import MOST_PER_CORE, option_of
from hvaedsl_runtime.sweep.driver import SweepSettings
from hvaedsl_runtime.train.settings import RunSettings

ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)
TRAIN = ROOT.commands["train"]

PATHS = st.text(string.ascii_letters + string.digits + " .'\"$-_/é", min_size=1).map(lambda text: Path("runs", text))


def values(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Every value that the option of a field takes."""
    option = option_of(field)
    assert option is not None
    if field.annotation is Path:
        return PATHS
    if field.annotation == Path | None:
        return st.none() | PATHS
    if field.annotation == str | None:  # the name of a device; no option takes an empty value
        return st.none() | st.text(string.ascii_lowercase, min_size=1)
    drawn: st.SearchStrategy[Any] = st.from_type(field.annotation)  # type: ignore[arg-type]  # an optional type too
    least = option.minimum
    return drawn if least is None else drawn.map(lambda value: value if value is None else abs(value) + least)


FIELDS = {name: values(field) for name, field in RunSettings.model_fields.items()}
THREADS = st.none() | st.integers(1, MOST_PER_CORE)  # that any machine takes
SETTINGS = st.builds(RunSettings, **{**FIELDS, "threads": THREADS, "hang_timeout": st.floats(0, 1e9)})


@given(settings=SETTINGS)
def test_the_command_to_resume_says_every_option(settings: RunSettings) -> None:
    program, command, *words = shlex.split(settings.resume_command(settings.gpus))
    assert (program, command) == ("hvaedsl", "train")
    params = TRAIN.make_context("train", words).params
    options = {name: value for name, value in params.items() if name not in ("spec", "sets", "lets")}
    assert RunSettings(**options) == settings.model_copy(
        update={"resume": True, "accept_images": False, "allow_changed": False}
    )
    assert Path(params["spec"]) == settings.out / "spec.hvae"


def test_the_command_to_resume_takes_no_folder_for_an_option() -> None:
    command = RunSettings(out=Path("-mine")).resume_command()
    assert command == "hvaedsl train ./-mine/spec.hvae --out ./-mine --resume"


def test_the_command_to_resume_leaves_defaults_out() -> None:
    plain = RunSettings(out=Path("runs/my model"), resume=True)
    command = "hvaedsl train 'runs/my model/spec.hvae' --out 'runs/my model' --resume"
    assert plain.resume_command(1) == command
    some = plain.model_copy(update={"device": "cpu", "download": True, "dtype": "float64"})
    assert some.resume_command(2) == f"{command} --gpus 2 --device cpu --download --dtype float64"


@pytest.mark.parametrize("settings", [RunSettings, SweepSettings])
def test_far_more_threads_than_cores_are_refused(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    options = {"out": Path("run"), "resume_command": ""} if settings is SweepSettings else {"out": Path("run")}
    assert settings(**options, threads=16).threads == 16
    with pytest.raises(UsageError, match="--threads is 5,000; this machine has 2 cores") as caught:
        settings(**options, threads=5000)
    assert caught.value.help.startswith("choose at most 16")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("minutes", [math.nan, math.inf, -1.0])
def test_a_limit_for_hangs_is_a_number_of_minutes(minutes: float) -> None:
    with pytest.raises(UsageError, match=r"--hang-timeout is .*; it must be a number of minutes, 0 or more") as caught:
        RunSettings(out=Path("runs/a"), hang_timeout=minutes)
    assert caught.value.help == "0 waits without end"
