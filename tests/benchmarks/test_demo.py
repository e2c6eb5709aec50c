"""The demo's benchmark runs what `make demo` runs and reports what it measures; `make bench-demo` has the bounds."""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path

import pytest

import hvaedsl
from benchmarks import demo
from benchmarks.measurement import environment, table

ROOT = Path(__file__).parents[2]


def summary(bits_per_dim: float = 1.8, kl_nats: tuple[float, ...] = (1.0,) * 7) -> dict[str, object]:
    test = {"ema": {"bits_per_dim": bits_per_dim, "kl_nats": list(kl_nats)}, "raw": {"bits_per_dim": 9, "kl_nats": [0]}}
    return {"test": test, "histogram_baseline_bits_per_dim": 2.4}


def test_the_commands_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\ndemo:")[2].partition("\n\n")[0].splitlines()[1:]
    commands = [line.strip().partition("hvaedsl ")[2] for line in recipe if "hvaedsl " in line]
    assert commands == [" ".join(demo.DRAW), " ".join([*demo.TRAIN, "--out $(DEMO)"])]


def test_the_shipped_spec_is_deep_and_shares_a_block() -> None:
    program = hvaedsl.load(ROOT / demo.TRAIN[1])
    assert program.cost.stochastic_depth >= demo.LEAST_DEPTH
    assert "r" in str(program.spec.model.decoder)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"bits_per_dim": 1.825}, ["test bound, averaged weights"]),
        ({"bits_per_dim": math.nan}, ["test bound, averaged weights"]),
        ({"kl_nats": (1.0,) * 6}, ["stochastic layers"]),
        ({"kl_nats": (*(1.0,) * 7, 0.049)}, ["least KL of a layer"]),
    ],
)
def test_a_broken_bound_is_reported(changed: dict[str, float], broken: list[str]) -> None:
    figures = demo.result(summary(**changed))  # type: ignore[arg-type]
    assert [item.name for item in figures if not item.holds] == broken
    lines = table(figures).splitlines()
    assert [line.startswith(tuple(broken)) if broken else False for line in lines] == [
        line.endswith("BROKEN") for line in lines
    ]


@pytest.mark.long
def test_a_short_training_breaks_the_bounds_of_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.hvae"
    short.write_text(
        "hvae 1\ndata { dataset = digits }\nmodel { width = 16 latent = 2 encoder = 8d8, 1x1 decoder = 1x1, 8m1 }\n"
        "train { steps = 2 batch_size = 4 learning_rate = 1e-3 ema_decay = 0.5 }\nsample { count = 4 }\n",
        encoding="utf-8",
    )
    # The bytecode of this checkout: with an empty folder, compiling it takes longer than both commands.
    monkeypatch.setattr(demo, "environment", partial(environment, PYTHONPYCACHEPREFIX=""))
    monkeypatch.setattr(demo, "TRAIN", ("train", str(short)))
    monkeypatch.setattr(sys, "argv", ["demo.py", "--json", "--seed", "3", "--out", str(tmp_path / "run")])
    assert demo.main() == 1
    figures = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert figures["both: CPU time"]["holds"]
    assert figures["both: CPU time"]["value"] > figures["draw cifar_ws"]["value"] > 0
    assert not figures["test bound, averaged weights"]["holds"]
    assert json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["seed"] == 3
