"""Drafts of specs: they compile without advice, are formatted, and say what they extend."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diff.compare import compare
from hvaedsl.draft import extending_spec, standalone_spec
from hvaedsl.fmt import format_text
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.shipped import shipped

SHIPPED = sorted(
    path.relative_to(shipped("specs")).with_suffix("").as_posix()
    for path in shipped("specs").rglob("*.hvae")
    if path.name != "vdvae.hvae"
)


@pytest.mark.parametrize("base", SHIPPED)
def test_what_extends_a_shipped_spec_is_that_spec_until_it_is_changed(base: str, tmp_path: Path) -> None:
    target = tmp_path / "mine.hvae"
    text = extending_spec(target, base)
    target.write_text(text)
    first, mine = hvaedsl.load(base), hvaedsl.load(target)
    # What was published of the base is not claimed of what extends it.
    assert {change.section for change in compare(first, mine).keys} <= {"paper"}
    assert not compare(first, mine).levels
    assert {item.code for item in mine.advice} <= {item.code for item in first.advice}
    assert format_text(text) == text
    assert text.startswith(f"# mine extends {Path(base).name}: ")
    assert text.count("=") >= 7


def test_values_stay_as_they_are_written(tmp_path: Path) -> None:
    text = extending_spec(tmp_path / "mine.hvae", "cifar_r")
    assert "let n = 3\n" in text
    assert "encoder = 32r$n, 32d2" in text
    assert "steps         = 1M\n" in text
    program = hvaedsl.loads(text, path=tmp_path / "mine.hvae", lets={"n": 2})
    assert program.cost.stochastic_depth == hvaedsl.load("cifar_r", lets={"n": 2}).cost.stochastic_depth


def test_names_and_the_list_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "first.hvae").write_text(
        "hvae 1\nlet n = 2\nlet m = 2*$n  # twice\nlet stage = (8r$n, # shared\n  8x$m)\ndata { dataset = digits }\n"
        "model { width = 8*$m  latent = {other: 4}  encoder = $stage, 8d2, 4x1  decoder = 4x1, 8m4, $stage }\n"
    )
    (tmp_path / "second.hvae").write_text('hvae 1\nextends "first.hvae"\nmodel { decoder = $base, 8x1 }\n')
    target = tmp_path / "mine.hvae"
    target.write_text(extending_spec(target, str(tmp_path / "second.hvae")))
    text = target.read_text()
    assert "let m     = 2*$n\n" in text
    assert "width   = 8*$m" in text
    assert "encoder = $stage, 8d2, 4x1" in text
    assert "decoder = $base\n" in text
    first, mine = hvaedsl.load(tmp_path / "second.hvae"), hvaedsl.load(target)
    assert mine.bridge == first.bridge
    assert hvaedsl.load(target, lets={"n": 3}).bridge == hvaedsl.load(tmp_path / "second.hvae", lets={"n": 3}).bridge


def test_a_spec_beside_and_one_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "models").mkdir()
    base = tmp_path / "models" / 'odd "name".hvae'
    base.write_text((shipped("specs") / "digits.hvae").read_text())
    assert 'extends "odd \\"name\\".hvae"' in extending_spec(tmp_path / "models" / "mine.hvae", str(base))
    assert 'extends "models/odd \\"name\\".hvae"' in extending_spec(tmp_path / "mine.hvae", str(base))
    (tmp_path / "other").mkdir()
    assert 'extends "../models/' in extending_spec(tmp_path / "other" / "mine.hvae", str(base))


def test_a_base_outside_of_the_project(tmp_path: Path) -> None:
    base = tmp_path / "base.hvae"
    base.write_text((shipped("specs") / "digits.hvae").read_text())
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").touch()
    with pytest.raises(SpecError, match="HV212"):
        extending_spec(tmp_path / "project" / "mine.hvae", str(base))


def test_bases_that_cannot_be_extended(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a complete model: it has no"):
        extending_spec(tmp_path / "mine.hvae", "vdvae")
    with pytest.raises(UsageError, match="no such file or directory; did you mean the shipped spec cifar_ws"):
        extending_spec(Path("new.hvae"), "cifar_wss")
    with pytest.raises(UsageError, match=r"no such file or directory$"):
        extending_spec(tmp_path / "mine.hvae", "none_of_them")
    with pytest.raises(UsageError, match="would extend itself"):
        extending_spec(tmp_path / "cifar.hvae", "cifar")
    broken = tmp_path / "broken.hvae"
    broken.write_text((shipped("specs") / "digits.hvae").read_text().replace("8d2", "8d3"))
    with pytest.raises(SpecError, match="HV303"):
        extending_spec(tmp_path / "mine.hvae", str(broken))


def test_a_file_that_hides_a_shipped_spec(tmp_path: Path) -> None:
    (tmp_path / "cifar.hvae").write_text((shipped("specs") / "digits.hvae").read_text())
    with pytest.raises(UsageError, match=r"would extend another spec cifar.hvae, which is beside it, instead of cifar"):
        extending_spec(tmp_path / "mine.hvae", "cifar")


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_small_spec_of_every_data_set(dataset: str, tmp_path: Path) -> None:
    text = standalone_spec(tmp_path / "mine.hvae", dataset, None, None, None)
    program = hvaedsl.loads(text, path=tmp_path / "mine.hvae")
    assert not program.advice
    assert program.training().batch_size == (32 if program.spec.data.height <= 128 else 8)
    assert program.spec.data.dataset == dataset
    assert program.cost.rows[-1].resolution == DATASETS[dataset].resolution
    assert format_text(text) == text


@pytest.mark.parametrize("resolution", [1, 2, 3, 4, 5, 7, 9, 12, 16, 20, 28, 64, 97, 100, 1024])
@pytest.mark.parametrize("kind", ["folder", "npy"])
def test_a_small_spec_of_ones_own_images(kind: str, resolution: int, tmp_path: Path) -> None:
    text = standalone_spec(tmp_path / "mine.hvae", kind, resolution, 1, "my images")
    program = hvaedsl.loads(text, path=tmp_path / "mine.hvae")
    assert not program.advice
    assert (program.spec.data.resolution, program.spec.data.channels) == (resolution, 1)
    assert program.spec.data.path == "my images"
    last = program.cost.rows[len(program.cost.rows) // 2 - 1].resolution
    assert last == 1 or (last % 2 == 1 and last > 8), "pooled as far as it goes"


def test_what_does_not_fit_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cifar10 has 32x32 images with 3 channels"):
        standalone_spec(tmp_path / "mine.hvae", "cifar10", 16, None, None)
    with pytest.raises(UsageError, match="unknown dataset cifra; the datasets are digits"):
        standalone_spec(tmp_path / "mine.hvae", "cifra", None, None, None)
    with pytest.raises(UsageError, match="the images of folder have levels"):
        standalone_spec(tmp_path / "mine.hvae", "folder", 16, 1, None, real=True)
    assert "channels" not in standalone_spec(tmp_path / "mine.hvae", "mnist", 32, 1, None).split("model")[0][-60:]
    with pytest.raises(SpecError):
        standalone_spec(tmp_path / "mine.hvae", "folder", 16, 5, None)


def test_a_spec_of_real_values(tmp_path: Path) -> None:
    text = standalone_spec(tmp_path / "mine.hvae", "npy", 16, 2, None, real=True)
    made = hvaedsl.loads(text)
    assert made.spec.data.is_real
    assert str(made.spec.model.likelihood) == "gaussian(channels = independent)"
