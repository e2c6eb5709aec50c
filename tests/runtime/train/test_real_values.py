"""Runs on real values: densities in the unit of the file, resumed, evaluated, sampled from and compared."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import hvaedsl
from hvaedsl.diagnostics.errors import RunError, UsageError
from hvaedsl.nn.likelihoods import GaussianDensity
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.analysis.comparison import comparison_json, open_runs, table
from hvaedsl_runtime.analysis.html_report import evaluated_bounds, report_html
from hvaedsl_runtime.analysis.registry import ANALYSES
from hvaedsl_runtime.data import RealPreparation, normal_baseline_nats_per_dim, open_split, preparation_from
from hvaedsl_runtime.disk.metrics import read_metrics
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.evaluate.units import reporting_unit
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

Command = Callable[..., tuple[object, str, str]]
CHANNELS = 3
SPEC = """hvae 1
data {{ dataset = npy path = "{path}" channels = 3 resolution = 8 values = real validation = 10 }}
model {{ width = 8 latent = 2 encoder = 8x1, 8d2, 4x1 decoder = 4r2, 8m4, 8x1 }}
train {{ steps = 12 batch_size = 4 learning_rate = 1e-3 lr_warmup_steps = 3 eval_every = 6 save_every = 4 seed = 3 }}
sample {{ count = 5 }}
"""


def smooth(count: int, seed: int) -> np.ndarray[Any, Any]:
    """Images [count, 8, 8, 3] of slopes with noise; each channel has its own unit."""
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=(2, count, 1, 1, CHANNELS))
    grid = np.linspace(-1, 1, 8)
    drawn = slopes[0] * grid[:, None, None] + slopes[1] * grid[None, :, None] + 0.1 * rng.normal(size=(count, 8, 8, 3))
    found: np.ndarray[Any, Any] = drawn * [0.01, 1, 20] + [5, 0, 300]
    return found


def written(folder: Path, factor: float, dtype: Any = np.float64) -> Path:
    """The spec of runs on these images, in the unit of `factor`."""
    folder.mkdir()
    for split, count, seed in (("train", 50, 0), ("test", 11, 1)):
        np.save(folder / f"{split}.npy", (smooth(count, seed) * factor).astype(dtype))
    path = folder / "small.hvae"
    path.write_text(SPEC.format(path=folder), encoding="utf-8")
    return path


def run(spec: Path, out: Path, **changes: Any) -> Path:
    resume = changes.pop("resume", False)
    train(
        hvaedsl.load(spec, sets=changes.pop("sets", {})), RunSettings(out=out, device="cpu", threads=1, resume=resume)
    )
    return out


def lines(folder: Path) -> list[dict[str, Any]]:
    return read_metrics(folder / "metrics.jsonl")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two finished runs: on real values, and on the same values times 1,000."""
    torch.set_num_threads(1)
    base = tmp_path_factory.mktemp("reals")
    one, thousand = (written(base / f"images{factor}", factor) for factor in (1, 1000))
    return run(one, base / "run1"), run(thousand, base / "run1000")


def test_a_file_times_1000_has_the_same_curve_plus_ln_1000(folders: tuple[Path, Path]) -> None:
    one, thousand = map(lines, folders)
    assert len(one) == len(thousand) == 12 + 4 + 2
    for ours, theirs in zip(one, thousand, strict=True):
        assert {"step", "split", "gives", "density_nats_per_dim"} <= ours.keys()
        for key in ("loss_nats_per_dim", "distortion_nats_per_dim", "density_nats_per_dim"):
            assert theirs[key] - ours[key] == pytest.approx(math.log(1000), abs=1e-5)
        assert theirs["rate_nats_per_dim"] == pytest.approx(ours["rate_nats_per_dim"], abs=1e-5)
        if ours["split"] == "train":
            assert theirs["gradient_norm"] == pytest.approx(ours["gradient_norm"], rel=1e-3)


def test_the_summary_names_the_density_and_its_baseline(folders: tuple[Path, Path]) -> None:
    summary = json.loads((folders[0] / "summary.json").read_text())
    assert summary["unit"] == "density_nats_per_dim"
    for bound in summary["test"].values():
        assert bound["gives"] == "density"
        assert bound["density_nats_per_dim"] == bound["loss_nats_per_dim"]
        assert bound["bits_per_dim"] == pytest.approx(bound["loss_nats_per_dim"] / math.log(2))
    data = hvaedsl.load(folders[0] / "spec.hvae").spec.data
    expected = normal_baseline_nats_per_dim(open_split(data, "train"), open_split(data, "test"))
    assert summary["normal_baseline_density_nats_per_dim"] == pytest.approx(expected)
    assert not [key for key in summary if "histogram" in key or "logistic" in key]


def test_the_reported_density_is_that_of_the_values_in_the_file(folders: tuple[Path, Path]) -> None:
    """The distortion of an evaluation equals that of the head's normals in the unit of the file."""
    finished = FinishedRun.open(folders[0], "cpu")
    prepare, model = finished.preparation, finished.model("raw")
    assert isinstance(prepare, RealPreparation)
    evaluator = finished.evaluator("test")
    indices = list(range(len(evaluator.images)))
    x, target = evaluator.prepared(indices)
    likelihood = model.likelihood
    assert isinstance(likelihood, GaussianDensity)
    with torch.no_grad():
        found = likelihood.gaussians(model.decode(model.latents(x, noise=evaluator.noise(indices))))
    assert found.coefficients is not None
    std, mean = torch.tensor(prepare.std, dtype=torch.float64), torch.tensor(prepare.mean, dtype=torch.float64)
    standardized = target.double()
    locations = found.locations.double()
    first, second, third = found.coefficients.double().unbind(-1)
    locations[..., 1] += first * standardized[..., 0]
    locations[..., 2] += second * standardized[..., 0] + third * standardized[..., 1]
    of_file = torch.distributions.Normal(locations * std + mean, found.log_scales.double().exp() * std)
    values = torch.from_numpy(evaluator.images.batch(indices)).double()
    expected = -of_file.log_prob(values).mean().item()  # type: ignore[no-untyped-call]  # torch's
    bound = finished.evaluate("test", kinds=("raw",))["raw"]
    assert bound.distortion_nats_per_dim == pytest.approx(expected, abs=2e-4)
    assert bound.distortion_nats_per_dim == pytest.approx(
        json.loads((folders[0] / "summary.json").read_text())["test"]["raw"]["distortion_nats_per_dim"], abs=1e-9
    )


def test_a_resumed_run_has_the_same_curve_and_constants(tmp_path: Path) -> None:
    spec = written(tmp_path / "images", 1)
    whole = run(spec, tmp_path / "whole")
    part = run(spec, tmp_path / "part", sets={"train.steps": 8})
    run(spec, part, resume=True)
    ours, theirs = (FinishedRun.open(folder, "cpu").preparation for folder in (whole, part))
    assert ours == theirs
    last = [[line for line in lines(folder) if line["step"] == 12] for folder in (whole, part)]
    for one, other in zip(*last, strict=True):
        assert one["loss_nats_per_dim"] == other["loss_nats_per_dim"]

    # Other images are noticed.
    np.save(tmp_path / "images" / "train.npy", smooth(50, 7))
    with pytest.raises(RunError, match="was trained on other images"):
        run(spec, part, resume=True, sets={"train.steps": 13})


def test_samples_and_reconstructions_are_float32_in_the_unit_of_the_file(
    folders: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    for folder, factor in zip(folders, (1, 1000), strict=True):
        for name in ("s.npy", "s.npz", "s/"):
            code, _, err = command("sample", folder, "--count", "3", "--out", f"{tmp_path}/{factor}-{name}")
            assert not code, err
        assert not command("reconstruct", folder, "--split", "test", "--out", f"{tmp_path}/{factor}-r/")[0]
        arrays = [np.load(tmp_path / f"{factor}-s.npy"), np.load(tmp_path / f"{factor}-s.npz")["arr_0"]]
        arrays.append(np.stack([np.load(tmp_path / f"{factor}-s" / f"00000{at}.npy") for at in range(3)]))
        for found in arrays:
            assert found.dtype == np.float32
            assert found.shape == (3, 8, 8, 3)
            np.testing.assert_array_equal(found, arrays[0])
        assert abs(arrays[0].mean(axis=(0, 1, 2)) / factor - [5, 0, 300]).max() < 40
        reconstruction = np.load(tmp_path / f"{factor}-r" / "000010.npy")
        assert reconstruction.shape == (8, 8, 3)
        np.testing.assert_allclose(reconstruction.mean(axis=(0, 1))[[0, 2]] / factor, [5, 300], rtol=0.1)
    one, thousand = (np.load(tmp_path / f"{factor}-s.npy") for factor in (1, 1000))
    np.testing.assert_allclose(thousand, one * 1000, rtol=1e-3, atol=1)


def test_given_images_are_read_in_the_unit_of_the_file(
    folders: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    np.save(tmp_path / "mine.npy", smooth(4, 9))
    assert not command("reconstruct", folders[0], tmp_path / "mine.npy", "--out", tmp_path / "r.npy")[0]
    assert np.load(tmp_path / "r.npy").shape == (4, 8, 8, 3)
    np.save(tmp_path / "levels.npy", np.zeros((4, 8, 8, 3), np.uint8))
    code, _, err = command("reconstruct", folders[0], tmp_path / "levels.npy", "--out", tmp_path / "x.npy")
    assert code == 4
    assert "must be float32 or float64 [N, 8, 8, 3]" in err
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code, _, err = command("reconstruct", folders[0], tmp_path / "a.png", "--out", tmp_path / "x.npy")
    assert code == 4
    assert "the content is PNG, which has levels; data.values is real, and files must be TIFF files of floats" in err
    assert "remove" not in err


def test_pictures_show_a_range_that_their_title_states(
    folders: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    """A picture of a file times 1,000 is the same but for the title, which has the range."""
    shown = []
    for folder in folders:
        assert not command("reconstruct", folder, "--split", "test", "--out", tmp_path / "r.png")[0]
        with Image.open(tmp_path / "r.png") as image:
            shown.append(np.asarray(image).astype(int))
    title = 12 * 2 + 4  # pixels of two lines
    grids = [picture[title:] for picture in shown]
    assert abs(grids[0] - grids[1]).max() <= 1
    assert grids[0].max() == 255
    assert (shown[0][:title] != shown[1][:title]).any()
    assert RunFolder(folders[0]).picture("samples", "final").is_file()
    subject = Subject(FinishedRun.open(folders[1], "cpu"), images=2)
    (low, high), *_ = subject.run.preparation.shown_ranges([0, 1, 2]) or []
    assert f"channel 0: values {low:.4g} to {high:.4g}" in subject.shown_values


def test_every_analysis_and_the_report_call_it_a_density(folders: tuple[Path, Path]) -> None:
    subject = Subject(FinishedRun.open(folders[0], "cpu"), images=2)
    results = {analysis.name: analysis.run(subject) for analysis in ANALYSES}
    for name in ("reconstructions", "partial-posteriors", "curves"):
        assert "nats/dim (density)" in results[name].text
        assert results[name].data["gives"] == "density"
        assert results[name].data["unit"] == "density_nats_per_dim"
    axes = [drawing.figure.axes for drawing in results["curves"].drawings]
    assert axes[0][0].get_ylabel() == "nats/dim (density)"
    for name in ("reconstructions", "temperatures", "projections", "partial-posteriors"):
        assert all("Shown: channel 0: values " in made.caption for made in results[name].drawings if made.images)
    _, label, rows = evaluated_bounds(subject.run, reporting_unit(subject.spec))
    assert label == "nats/dim (density)"
    assert rows
    assert "nats/dim (density)" in report_html(subject, list(results.values()))

    # The distortions of images are in the unit of the file too.
    images: Any = results["reconstructions"].data["images"]
    bound = subject.run.evaluate("test", kinds=("raw",))["raw"]
    for row in images:
        assert row["density_nats_per_dim"] == pytest.approx(bound.loss_nats_per_dim, abs=3)


def test_comparisons_name_the_density_and_refuse_a_mass(folders: tuple[Path, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders[0], tmp_path / "again")
    runs = open_runs([folders[0], copy])
    assert "nats/dim (density)" in table(runs).title
    assert json.loads(comparison_json(runs))["gives"] == "density"

    # A mass has another dataset, or at least other values.
    levels = tmp_path / "levels"
    levels.mkdir()
    for split in ("train", "test"):
        np.save(levels / f"{split}.npy", np.random.default_rng(0).integers(0, 17, (20, 8, 8, 3), dtype=np.uint8))
    text = (folders[0] / "spec.hvae").read_text().replace("values     = real", "levels = 17")
    text = text.replace("likelihood = gaussian", "likelihood = mixture_of_logistics(2)")
    (levels / "small.hvae").write_text(text.replace(str(folders[0].parent / "images1"), str(levels)))
    run(levels / "small.hvae", tmp_path / "mass", sets={"data.validation": 0, "train.steps": 2})
    with pytest.raises(UsageError, match=r"data\.values is real and levels") as caught:
        open_runs([folders[0], tmp_path / "mass"])
    assert "data.levels" not in str(caught.value)


def test_a_density_of_levels_is_not_compared_with_a_mass(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A custom likelihood on the same images of levels, as the logs record it."""
    copy = shutil.copytree(folders[0], tmp_path / "again")
    text = "".join(json.dumps({k: v for k, v in line.items() if k != "gives"}) + "\n" for line in lines(copy))
    (copy / "metrics.jsonl").write_text(text)
    with pytest.raises(UsageError, match="the likelihood of run1 gives a density, and that of the other does not"):
        open_runs([folders[0], copy])


def test_weights_are_converted_in_both_directions(folders: tuple[Path, Path], tmp_path: Path, command: Command) -> None:
    """With the constants of the run in the file; without them, with those of the images that the spec names."""
    run, spec, stated = folders[0], folders[0] / "spec.hvae", tmp_path / "stated.safetensors"
    assert not command("convert", run, "--to", stated, "--names", "ours", "--weights", "raw")[0]
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(stated), bare)
    expected = FinishedRun.open(run, "cpu")
    for file, source in ((stated, "as stated in stated.safetensors"), (bare, "the statistics of npy's images")):
        back = tmp_path / f"back-{file.stem}"
        code, out, err = command("convert", spec, "--from", file, "--out", back)
        assert not code, err
        assert source in " ".join((out + err).split())
        found = FinishedRun.open(back, "cpu")
        assert found.preparation == expected.preparation
        bounds = [each.evaluate("test", kinds=("raw",))["raw"].loss_nats_per_dim for each in (found, expected)]
        assert bounds[0] == bounds[1]

    # The published code has no such likelihood; real values have no published constants; the images may be missing.
    nowhere = ("--set", f'data.path="{tmp_path / "nowhere"}"', "--from", bare)
    refusals = (
        (("convert", run, "--to", tmp_path / "w.th"), "not for the likelihood gaussian", "--names ours"),
        (
            ("convert", spec, "--from", bare, "--trained-on", "cifar10"),
            "values of the spec's images are real",
            "remove",
        ),
        (("convert", spec, *nowhere), "the mean and the standard deviation of each channel are unknown", "training"),
    )
    for number, (arguments, message, way_out) in enumerate(refusals):
        out_folder = ("--out", tmp_path / f"no{number}") if "--from" in arguments else ()
        code, _, err = command(*arguments, *out_folder)
        text = " ".join(err.split())
        assert code
        assert message in text
        assert way_out in text.partition("help:")[2]
        assert "imagenet" not in text


def test_an_exported_program_and_its_weights_state_the_constants(
    folders: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    for kind in ("pt2", "safetensors"):
        code, _, err = command("export", folders[0], "--to", kind, "--out", tmp_path / f"made.{kind}")
        assert not code, err
    with safe_open(tmp_path / "made.safetensors", "pt") as file:
        stated = preparation_from(json.loads(file.metadata()["preparation"]))
    assert stated == FinishedRun.open(folders[0], "cpu").preparation
    assert isinstance(stated, RealPreparation)


def test_a_sweep_reports_densities(tmp_path: Path, command: Command) -> None:
    spec = written(tmp_path / "images", 1)
    options = ("--steps", "2", "--out", tmp_path / "sweep", "--device", "cpu", "--threads", "1")
    code, out, err = command("sweep", spec, "--vary", "train.learning_rate=1e-3,2e-3", *options)
    assert not code, err
    assert "nats/dim (density), 2 of 2 runs" in " ".join(out.split())
    assert "bits/dim" not in out
    assert json.loads((tmp_path / "sweep" / "results.json").read_text())["gives"] == "density"


def test_a_value_that_is_not_finite_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    spec = written(tmp_path / "images", 1)
    test = smooth(11, 1)
    test[7, 1, 2, 0] = np.inf
    np.save(tmp_path / "images" / "test.npy", test)
    with pytest.raises(RunError, match=r"test\.npy, image 7: the value at row 1, column 2, channel 0 is inf"):
        run(spec, tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_the_emitted_file_computes_what_the_module_does(folders: tuple[Path, Path]) -> None:
    finished = FinishedRun.open(folders[0], "cpu")
    scope: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(finished.program.python_source(), "emitted", "exec"), scope)
    model = finished.model("raw").store_in(torch.contiguous_format)  # equal to the last bit
    emitted = scope[type(model).__name__]()
    emitted.load_state_dict(model.state_dict())
    x, target = finished.evaluator("test").prepared([0, 1, 2])
    noise = finished.evaluator("test").noise([0, 1, 2])
    for ours, theirs in zip(model(x, target, noise), emitted(x, target, noise), strict=True):
        assert torch.equal(ours, theirs)
    drawn = [made.sample(2, noise=noise_of(0), generator=torch.Generator().manual_seed(1)) for made in (model, emitted)]
    assert torch.equal(*drawn)
    assert drawn[0].dtype == torch.float32


def noise_of(seed: int) -> Callable[[int, tuple[int, ...]], torch.Tensor]:
    return lambda layer, shape: torch.randn(shape, generator=torch.Generator().manual_seed(seed + layer))
