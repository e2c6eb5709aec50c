"""`hvaedsl table`: every published count and depth is met, but for those that are marked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvaedsl.cli.main import app
from hvaedsl.report.model_table import parameters_deviate

SPECS = Path(__file__).parents[2] / "specs"


def test_published_figures_are_met_but_for_the_marked() -> None:
    done = CliRunner().invoke(app, ["table", str(SPECS), "--json"])
    assert done.exit_code == 0
    models = {model["name"]: model for model in json.loads(done.stdout)}
    assert {name for name, model in models.items() if model["parameters_deviate"]} == {"mnist_ws", "ffhq1024"}
    assert not any(model["depth_deviates"] for model in models.values())
    assert len(models) == len(list(SPECS.rglob("*.hvae"))) - 1  # vdvae is a base alone


def test_the_table_marks_what_deviates_and_what_is_not_confirmed() -> None:
    done = CliRunner().invoke(app, ["table", str(SPECS / "mnist_ws.hvae"), str(SPECS / "imagenet64.hvae")])
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "232k*" in rows["mnist_ws"]
    assert "79.98?" in rows["mnist_ws"]
    assert "3.52 " in rows["imagenet64"]


@pytest.mark.parametrize(
    ("counted", "published", "deviates"),
    [
        (39_145_700, 39e6, False),
        (339_857, 339e3, False),
        (233_113, 232e3, True),
        (141_500, 140e3, True),
        (95, 100, True),
    ],
)
def test_the_last_digit_decides(counted: int, published: float, deviates: bool) -> None:
    assert parameters_deviate(counted, published) is deviates
