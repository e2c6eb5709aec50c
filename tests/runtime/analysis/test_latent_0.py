"""Every analysis, the theory checks and exports of a run whose model has blocks that draw no latent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hvaedsl_runtime.analysis import kl, partial_posteriors, state_norms
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.analysis.registry import ANALYSES
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.export.program import ExportOptions, export_program
from hvaedsl_runtime.theory.check_inputs import run_inputs
from hvaedsl_runtime.theory.checks import first_prior_checks

SETS = {"model__latent": "{4: 0, other: 8}", "model__cell": "{8: nvae, other: vdvae}"}
DRAWN = 3  # of six blocks
Trained = Callable[..., Path]
Command = Callable[..., tuple[object, str, str]]


@pytest.mark.parametrize("name", [analysis.name for analysis in ANALYSES])
def test_every_analysis_is_a_command(trained: Trained, tmp_path: Path, command: Command, name: str) -> None:
    code, _, err = command("analyze", name, trained(**SETS), "--out", tmp_path / "out", "--images", "5")
    assert code == 0, err
    assert json.loads((tmp_path / "out" / f"{name}.json").read_text())["text"]


def test_the_kl_is_that_of_the_layers_that_draw(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(images=5, **SETS)
    layers = kl.measure(subject, [0, 1])
    assert [(layer.step.layer, layer.step.resolution, layer.units) for layer in layers] == [
        (0, 1, 8),
        (1, 8, 512),
        (2, 8, 512),
    ]
    assert all(layer.active_units is not None for layer in layers)


def test_the_norms_are_those_of_every_block(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(**SETS)
    _, down = state_norms.measure(subject, subject.model, [0, 1], "norms")
    assert [block["after"].resolution for block in down] == [1, 4, 4, 4, 8, 8]
    assert set(down[1]) == {"before", "after", "block", "h", "resnet"}
    assert set(down[0]) == set(down[1]) | {"Wz"}


def test_the_masks_are_of_the_layers_that_draw(subject_of: Callable[..., Subject]) -> None:
    for family in partial_posteriors.families(subject_of(**SETS).model.plan):
        assert family.masks[-1].kept == frozenset(range(DRAWN))


def test_theorem_5_is_checked_on_the_layers_that_draw(trained: Trained) -> None:
    inputs = run_inputs(FinishedRun.open(trained(**SETS), "cpu"), seed=0)
    assert set(inputs.models) == {"raw", "ema"}
    assert all(check.holds for check in first_prior_checks(inputs) if not check.control)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_an_exported_program_computes_what_the_model_does(trained: Trained, tmp_path: Path) -> None:
    finished = FinishedRun.open(trained(**SETS), "cpu")
    assert export_program(finished, tmp_path / "a.pt2", ExportOptions("sample")).maximum_difference <= 1e-5


def test_there_are_no_published_names(trained: Trained, tmp_path: Path, command: Command) -> None:
    run = trained(model__latent=SETS["model__latent"])
    code, _, err = command("export", run, "--to", "safetensors", "--out", tmp_path / "a.safetensors")
    assert code == 0, err
    code, _, err = command("convert", run, "--to", tmp_path / "a.th")
    assert code != 0
    assert "not for blocks that draw no latent" in " ".join(err.split())
