"""`train.freeze` and `train.rates` name weights inside custom parts."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from tests.custom.test_custom import DIGITS, SMALL, digits
from tests.custom.test_custom import project as project  # a fixture

CELL = "parts_of_a_test:Named"


def test_the_names_inside_are_checked_where_the_part_is_imported(project: Path) -> None:
    named = {"train.freeze": "decoder.blocks.r4_0.gain", "train.rates": {"decoder.blocks.r4_0.g": 2}}
    assert digits(CELL, **named).spec.train.freeze == ("decoder.blocks.r4_0.gain",)
    wrong = {"train.freeze": "decoder.blocks.r4_0.gein"}
    hvaedsl.load(DIGITS, sets={"model.cell": f'"{CELL}"', **wrong})  # without importing it, nobody knows
    with pytest.raises(hvaedsl.SpecError) as caught:
        digits(CELL, **wrong)
    (item,) = caught.value.diagnostics
    assert (item.code, item.help_text) == ("HV251", "write `decoder.blocks.r4_0.gain`")


def test_a_run_whose_spec_was_compiled_without_the_part_checks_them_too(project: Path) -> None:
    sets = {**SMALL, "model.cell": f'"{CELL}"', "train.freeze": "decoder.blocks.r4_0.gein"}
    program = hvaedsl.load(DIGITS, sets=sets)
    with pytest.raises(hvaedsl.SpecError, match="names no weights"):
        train(program, RunSettings(out=project / "run", device="cpu"))
    assert not (project / "run" / "spec.hvae").exists()


def test_they_are_frozen(project: Path) -> None:
    names = ["decoder.blocks.r4_0.gain", "decoder.blocks.r4_0.g"]
    program = digits(CELL, **SMALL, **{"train.freeze": names[0], "train.lr_warmup_steps": 0})
    train(program, RunSettings(out=project / "run", device="cpu"))
    weights = load_checkpoint(RunFolder(project / "run").checkpoint).model
    frozen, trained = (weights[name].item() for name in names)
    assert frozen == 1.0
    assert trained != 0.0
