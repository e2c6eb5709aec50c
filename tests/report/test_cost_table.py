"""The cost as `hvaedsl compile` prints it: with checkpoints, the memory that they leave."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.report.cost_table import size

EVERY = 4


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["compile", "cifar_ws.hvae", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(("precision", "column"), [("float32", -2), ("bfloat16", -1)])
def test_the_last_row_is_the_memory_with_checkpoints(precision: str, column: int) -> None:
    program = hvaedsl.load("cifar_ws.hvae")
    (row,) = [line for line in printed("--set", f"train.recompute_every={EVERY}").splitlines() if "recomputed " in line]
    needed = size(program.checkpointing.peak_bytes(EVERY, 16, precision))  # type: ignore[arg-type]
    cells = row.split()[1:]
    assert " ".join(cells[2 * (column + 2) : 2 * (column + 2) + 2]) == needed
    assert "recomputed" not in printed()


def test_json_counts_the_checkpoints() -> None:
    plain = json.loads(printed("--json", "--batch-size", "3"))
    less = json.loads(printed("--json", "--batch-size", "3", "--set", f"train.recompute_every={EVERY}"))
    program = hvaedsl.load("cifar_ws.hvae")
    assert (plain["recompute_every"], less["recompute_every"]) == (None, EVERY)
    for precision in ("float32", "bfloat16"):
        key = f"activation_bytes_{precision}"
        assert plain[key] == program.cost.activation_bytes(3, precision)
        assert less[key] == program.checkpointing.peak_bytes(EVERY, 3, precision)
        assert less[key] < plain[key]
    assert plain["rows"] == less["rows"]
