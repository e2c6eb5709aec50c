from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl_runtime.analysis.comparison import ComparedRun, check_comparable, notes, open_runs
from hvaedsl_runtime.analysis.history import read_history
from hvaedsl_runtime.disk.metrics import read_metrics

Trained = Callable[..., Path]
Command = Callable[..., tuple[object, str, str]]

COLOR = """hvae 1
data {{ {data} }}
model {{ width = 8 latent = 2 encoder = 32x1 decoder = 32x1 {model} }}
train {{ steps = 2 batch_size = 2 learning_rate = 1e-3 }}
"""


@pytest.fixture
def compared(tmp_path: Path) -> Callable[..., ComparedRun]:
    """A run with a spec and an empty log."""

    def make(data: str, model: str = "") -> ComparedRun:
        program = hvaedsl.loads(COLOR.format(data=data, model=model))
        log = tmp_path / "metrics.jsonl"
        log.touch()
        return ComparedRun(data, tmp_path, program.spec, 1, 1, read_history(log))

    return make


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        (("dataset = imagenet32", ""), ("dataset = imagenet32_oord", ""), "data.dataset"),
        (("dataset = mnist", ""), ("dataset = fashion_mnist", ""), "data.dataset"),
        (
            ("dataset = mnist", "likelihood = bernoulli"),
            ("dataset = mnist binarize = threshold", "likelihood = bernoulli"),
            "data.binarize is dynamic and threshold",
        ),
        (("dataset = mnist", "likelihood = bernoulli"), ("dataset = mnist", ""), "data.binarize is dynamic and none"),
        (("dataset = cifar10", ""), ("dataset = cifar10", "likelihood = mixture_of_logistics(10, bits = 5)"), "bits"),
        (
            ('dataset = npy path = "/a" channels = 3 resolution = 32', ""),
            ('dataset = npy path = "/b" channels = 3 resolution = 32', ""),
            "data.path is /a and /b",
        ),
    ],
)
def test_runs_on_different_images_are_rejected(
    compared: Callable[..., ComparedRun], one: tuple[str, str], other: tuple[str, str], key: str
) -> None:
    with pytest.raises(UsageError, match="their images differ") as caught:
        check_comparable(compared(*one), compared(*other))
    assert key in str(caught.value)


def test_keys_that_do_not_change_the_images_may_differ(compared: Callable[..., ComparedRun]) -> None:
    ours = compared('dataset = cifar10 path = "/here"', "likelihood = mixture_of_logistics(5)")
    theirs = compared('dataset = cifar10 path = "/there" split_seed = 3')
    check_comparable(ours, theirs)
    assert "different validation images" in notes([ours, theirs])[0]
    assert "Unfinished" in notes([ours, ours])[0]


def test_other_test_images_are_noted(compared: Callable[..., ComparedRun]) -> None:
    run = compared("dataset = cifar10")
    before, after = (replace(run, test_images={"images": count, "names sha256": "a"}) for count in (100, 101))
    assert "has other test images than" in notes([before, after])[0]
    for other in (before, run):  # the same ones, and those of a run that recorded nothing
        assert "test images" not in " ".join(notes([before, other]) + notes([other, before]))


def test_a_table_curves_and_values(trained: Trained, tmp_path: Path, command: Command) -> None:
    one, other = trained(), trained(model__cell="nvae")
    code, out, err = command("compare", one, other, "--out", tmp_path / "new" / "cmp")
    assert code == 0, err
    names = ("compare.json", "compare.csv", "compare.svg", "compare.png", "compare-collapsed.svg")
    assert all((tmp_path / "new" / "cmp" / name).stat().st_size > 0 for name in names)
    found = json.loads((tmp_path / "new" / "cmp" / "compare.json").read_text())
    assert [row["steps"] for row in found["runs"]] == [8, 8]
    for row, folder in zip(found["runs"], (one, other), strict=True):
        summary = json.loads((folder / "summary.json").read_text())
        assert row["parameters"] == summary["parameters"]
        assert row["test_raw_bits_per_dim"] == pytest.approx(summary["test"]["raw"]["bits_per_dim"])
        assert row["test_ema_bits_per_dim"] == pytest.approx(summary["test"]["ema"]["bits_per_dim"])
        assert f"{row['test_raw_bits_per_dim']:.4f}" in out
        assert row["collapsed_layers"] is not None
    code, printed, err = command("compare", one, other, "--json")
    assert code == 0, err
    assert json.loads(printed) == found
    with (tmp_path / "new" / "cmp" / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (8 + 2 * 2 + 2)
    logged = read_metrics(one / "metrics.jsonl")
    ours = [row for row in rows if row["run"] == found["runs"][0]["run"]]
    assert [float(row["bits_per_dim"]) for row in ours if row["split"] == "train"] == pytest.approx(
        [line["bits_per_dim"] for line in logged if line["split"] == "train"]
    )


def test_an_unfinished_run_is_compared_up_to_its_last_step(trained: Trained, tmp_path: Path, command: Command) -> None:
    shutil.copytree(trained(), tmp_path / "killed")
    log = tmp_path / "killed" / "metrics.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:5]) + '\n{"step": 6, "spl', encoding="utf-8")
    shutil.rmtree(tmp_path / "killed" / "checkpoints")
    code, out, err = command("compare", trained(), tmp_path / "killed")
    assert code == 0, err
    assert "Unfinished runs, without a test likelihood: killed." in out
    assert not list(tmp_path.glob("**/compare*"))


def test_duplicate_names_are_replaced_by_paths(trained: Trained) -> None:
    runs = open_runs([trained(), trained(model__cell="nvae")])
    assert [run.label for run in runs] == [str(run.path) for run in runs]
    assert runs[0].label != runs[1].label


def test_mistakes_are_one_readable_error(trained: Trained, tmp_path: Path, command: Command) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "file").touch()
    binary = trained(model__likelihood="bernoulli", data__binarize="dynamic")
    cases: list[tuple[int, str, tuple[Path | str, ...]]] = [
        (2, "compare got 1 run; it needs two or more", (trained(),)),
        (2, "is given 2 times", (trained(), trained())),
        (5, "no such folder", (trained(), tmp_path / "nothing")),
        (5, "spec.hvae is missing", (trained(), tmp_path / "foreign")),
        (2, "; data.binarize is none and dynamic", (trained(), binary)),
        (5, "cannot be written: File exists", (trained(), trained(model__cell="nvae"), "--out", tmp_path / "file")),
    ]
    for expected, words, arguments in cases:
        code, _, err = command("compare", *arguments)
        assert code == expected, (arguments, err)
        assert words in err
        assert "Traceback" not in err
