"""Custom cells, likelihoods and datasets: imported only if allowed, counted exactly, trained, and checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

import hvaedsl
from hvaedsl.cli.main import app
from hvaedsl.custom.importing import CustomPartError, import_custom
from hvaedsl.diagnostics.errors import RunError
from hvaedsl.program import CustomParts
from hvaedsl_runtime.analysis import kl
from hvaedsl_runtime.analysis.base import Subject
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.theory.check_inputs import run_inputs
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEC = EXAMPLES / "custom_parts.hvae"
DIGITS = Path(__file__).parents[1] / "specs" / "digits_small.hvae"
SMALL = {"model.width": 8, "train.steps": 4, "train.batch_size": 8, "train.eval_every": 4, "sample.count": 4}

PARTS = """
import torch
from hvaedsl.nn.cells import VDVAECell, EulerMaruyamaCell

class Same(VDVAECell):
    pass

class Wide(VDVAECell):
    def step(self, state, h, z):
        return super().step(state, h, z)[:, :-1]

class NoArguments(VDVAECell):
    def __init__(self):
        super().__init__(4, 2, 1, 3)

class Raises(VDVAECell):
    def step(self, state, h, z):
        raise KeyError("nothing here")

class Silent(torch.nn.Module):
    def __init__(self, channels, mid_channels, kernel, features=None):
        super().__init__()
        self.mix = torch.nn.Conv2d(channels, channels, 1)
        self.scaled_by = 0

    def scale_for_depth_(self, applications):
        self.scaled_by = applications

    def forward(self, state):
        return state + self.mix(state)

class Takes0(VDVAECell):
    deterministic = Silent

class Bent(VDVAECell):
    class deterministic(Silent):
        def forward(self, state):
            return state[:, :-1]

class Frozen(VDVAECell):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.prior.c2.requires_grad_(False)

class Named(VDVAECell):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.g = torch.nn.Parameter(torch.zeros(()))
        self.gain = torch.nn.Parameter(torch.ones(()))

    def prior_parameters(self, state):
        return super().prior_parameters(state * self.gain)

    def step(self, state, h, z):
        return super().step(state, h, z) + self.g

class WithoutParameters(torch.nn.Module):
    def __init__(self, channels, mid_channels, latent, kernel):
        super().__init__()
        self.latent = latent

    def forward(self, state, activation, noise):
        mean = activation[:, : self.latent]
        return self.generate_from(state, mean + noise), mean + noise, mean.square().sum((1, 2, 3)) / 2

    def generate(self, state, noise, temperature=1.0):
        return self.generate_from(state, noise * temperature), noise * temperature

    def generate_from(self, state, z):
        return state + z.sum(1, keepdim=True)

not_a_class = 3

def float_images(split, path):
    import numpy as np
    return np.zeros((20, 8, 8, 1))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of parts; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts_of_a_test.py").write_text(PARTS)
    (tmp_path / "pyproject.toml").touch()
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("parts_of_a_test", "own_")):
            del sys.modules[name]


def digits(cell: str, **sets: object) -> hvaedsl.Program:
    return hvaedsl.load(DIGITS, sets={"model.cell": f'"{cell}"', **sets}, custom=CustomParts())


@pytest.mark.parametrize("norm", ["none", "l2"])
@pytest.mark.parametrize("features", ["none", "block, sample, branches"])
def test_a_copy_of_a_cell_costs_what_the_cell_costs_and_computes_the_same(
    project: Path, features: str, norm: str
) -> None:
    sets = {
        "model.fourier.at": features,
        "model.decoder": "1x1, 4x1, 8m4, 8x1",
        "model.normalize_state.norm": norm,
        "train.passes": "none",  # which leave a custom cell as it is
    }
    own, known = digits("parts_of_a_test:Same", **sets), hvaedsl.load(DIGITS, sets=sets)
    assert own.cost.parameters == known.cost.parameters
    assert own.cost.flops_per_image == known.cost.flops_per_image
    assert own.without_gradient == known.without_gradient != ()
    assert own.cost.uncounted == ()
    # The first state is a view of the learned bias, which a block alone cannot know.
    assert 1 <= own.cost.activation_bytes(1) / known.cost.activation_bytes(1) < 1.02
    models = []
    for program in (own, known):
        torch.manual_seed(0)
        models.append(program.module())
    assert [*models[0].state_dict()] == [*models[1].state_dict()]
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


SILENT = {"model.latent": "{8: 0, other: 4}"}


def test_a_cell_says_what_it_is_without_a_latent(project: Path) -> None:
    program = digits("parts_of_a_test:Takes0", **SILENT)
    model = program.module()
    blocks = {name: block for name, block in model.decoder.blocks.items() if name.startswith("r8_")}
    assert blocks
    assert {type(block).__name__ for block in blocks.values()} == {"Silent"}
    assert {block.scaled_by for block in blocks.values()} == {len(model.decoder.steps)}
    assert program.cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert program.cost.stochastic_depth == model.stochastic_depth < len(model.decoder.steps)
    x = torch.zeros(2, 8, 8, 1)
    model(x, x).loss_nats_per_dim.backward()
    left = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert left == set(program.without_gradient)
    with FlopCounterMode(display=False) as counter:
        model(x, x)
    assert counter.get_total_flops() == 2 * program.cost.flops_per_image


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("parts_of_a_test:Same", "`latent` is 0 at 8, and it has no class `deterministic`"),
        ("parts_of_a_test:Bent", "the next state that it gives without a latent is [B, 47, 8, 8]"),
    ],
)
def test_a_cell_that_needs_a_latent_is_one_diagnostic(project: Path, cell: str, message: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        digits(cell, **SILENT)
    assert [item.code for item in caught.value.diagnostics] == ["HV220"]
    assert message in caught.value.diagnostics[0].message
    without_leave = hvaedsl.load(DIGITS, sets={"model.cell": f'"{cell}"', **SILENT})
    if cell.endswith("Same"):
        with pytest.raises(hvaedsl.SpecError, match="HV220"):
            without_leave.module()


def test_a_map_may_name_several_cells(project: Path) -> None:
    cells = '{8: "parts_of_a_test:Same", 4: "parts_of_a_test:Named", other: vdvae}'
    program = hvaedsl.load(DIGITS, sets={"model.cell": cells}, custom=CustomParts())
    model = program.module()
    kinds = {name.partition("_")[0]: type(block).__name__ for name, block in model.decoder.blocks.items()}
    assert kinds == {"r1": "VDVAECell", "r4": "Named", "r8": "Same"}
    assert program.cost.uncounted == ()
    assert program.cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert hvaedsl.load(DIGITS, sets={"model.cell": cells}).cost.uncounted == (
        "parts_of_a_test:Named",
        "parts_of_a_test:Same",
    )
    wrong = cells.replace("Named", "Missing")
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.load(DIGITS, sets={"model.cell": wrong}, custom=CustomParts())
    (item,) = caught.value.diagnostics
    assert (item.code, item.span.text) == ("HV220", '4: "parts_of_a_test:Missing"')


def test_nothing_is_imported_without_leave(project: Path) -> None:
    (project / "parts_of_a_test_that_tell.py").write_text("raise SystemExit('imported')")
    spec = project / "told.hvae"
    spec.write_text('hvae 1\nextends "digits.hvae"\nmodel { cell = "parts_of_a_test_that_tell:Any" }\n')
    program = hvaedsl.load(spec)
    assert program.cost.uncounted == ("parts_of_a_test_that_tell:Any",)
    for command in (["compile"], ["lint"], ["show"], ["table"], ["compile", "--emit", "bridge"]):
        result = CliRunner().invoke(app, [*command, str(spec)])
        assert result.exit_code == 0, result.output
    assert "not counted: parts_of_a_test_that_tell:Any" in CliRunner().invoke(app, ["compile", str(spec)]).output
    with pytest.raises(hvaedsl.SpecError, match="importing it fails: SystemExit: imported"):
        hvaedsl.load(spec, custom=CustomParts())


def test_frozen_parameters_are_neither_counted_nor_trained(project: Path) -> None:
    own, known = digits("parts_of_a_test:Frozen"), hvaedsl.load(DIGITS)
    model = own.module()
    assert own.cost.parameters == sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert own.cost.parameters < known.cost.parameters
    assert own.without_gradient == known.without_gradient


def test_a_cell_without_parameters_is_measured(project: Path) -> None:
    program = digits("parts_of_a_test:WithoutParameters")
    assert program.cost.parameters == sum(value.numel() for value in program.module().parameters())


def test_a_parameter_whose_name_begins_like_an_unreached_one_is_trained(project: Path) -> None:
    program = digits("parts_of_a_test:Named", **{"model.decoder": "1x1, 4x1, 8m4, 8x1"})
    left = [name.removeprefix("decoder.blocks.r1_0.") for name in program.without_gradient if ".r1_0." in name]
    assert "g" in left
    assert "gain" not in left


def test_what_a_module_prints_is_not_in_the_output(project: Path) -> None:
    (project / "parts_of_a_test_that_print.py").write_text(f"print('printed'){PARTS}")
    spec = project / "own.hvae"
    spec.write_text('hvae 1\nextends "digits.hvae"\nmodel { cell = "parts_of_a_test_that_print:Same" }\n')
    result = CliRunner().invoke(app, ["compile", "--custom", "--json", str(spec)])
    assert json.loads(result.stdout)["name"] == "own"
    assert "printed" in result.stderr


def test_a_module_of_a_name_that_is_taken_is_not_mistaken_for_the_other(project: Path) -> None:
    for name in ("first", "second"):
        (project / name).mkdir()
        (project / name / "parts_of_a_test_twice.py").write_text(PARTS)
        spec = project / name / "own.hvae"
        spec.write_text('hvae 1\nextends "digits.hvae"\nmodel { cell = "parts_of_a_test_twice:Same" }\n')
    hvaedsl.load(project / "first" / "own.hvae", custom=CustomParts())
    hvaedsl.load(project / "first" / "own.hvae", custom=CustomParts())
    with pytest.raises(hvaedsl.SpecError, match="HV220") as caught:
        hvaedsl.load(project / "second" / "own.hvae", custom=CustomParts())
    assert "is already imported, from" in caught.value.diagnostics[0].message


def test_a_project_may_give_leave(project: Path) -> None:
    spec = project / "own.hvae"
    spec.write_text('hvae 1\nextends "digits.hvae"\nmodel { cell = "parts_of_a_test:Same" }\n')
    assert "not counted" in CliRunner().invoke(app, ["compile", str(spec)]).output
    assert "not counted" not in CliRunner().invoke(app, ["compile", "--custom", str(spec)]).output
    (project / "pyproject.toml").write_text("[tool.hvaedsl]\nplugins = true\n")
    assert "not counted" not in CliRunner().invoke(app, ["compile", str(spec)]).output
    (project / "pyproject.toml").write_text("[tool.hvaedsl]\nplugin = true\n")
    result = CliRunner().invoke(app, ["compile", str(spec)])
    assert "plugin" in str(result.exception)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("parts_of_a_test:Missing", "parts_of_a_test has no Missing"),
        ("parts_of_nothing:Cell", "no module named parts_of_nothing"),
        ("parts_of_a_test:not_a_class", "it is not a torch module class"),
        ("parts_of_a_test:NoArguments", "it cannot be built with (channels, mid_channels, latent, kernel): TypeError"),
        ("parts_of_a_test:Wide", "the next state that forward gives is [B, 47, 1, 1], but must be [B, 48, 1, 1]"),
        ("parts_of_a_test:Raises", "KeyError: 'nothing here' (parts_of_a_test.py, line "),
    ],
)
def test_a_part_that_cannot_be_used_is_one_diagnostic(project: Path, cell: str, message: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        digits(cell)
    (found,) = caught.value.diagnostics
    assert found.code == "HV220"
    assert message in found.message


def test_a_module_beside_the_spec_goes_before_one_in_the_working_directory(project: Path) -> None:
    for name in ("custom_cell", "custom_likelihood", "custom_dataset"):
        (project / f"{name}.py").write_text("raise RuntimeError('the wrong one')")
    program = hvaedsl.load(SPEC, custom=CustomParts())
    assert program.cost.uncounted == ()
    assert sum(parameter.numel() for parameter in program.module().parameters()) == program.cost.parameters
    assert len(open_split(program.spec.data, "test")) == 181


def test_an_import_that_fails_says_where(project: Path) -> None:
    (project / "parts_of_a_test_broken.py").write_text("import json\nx = 1 / 0\n")
    with pytest.raises(
        CustomPartError, match=r"ZeroDivisionError: division by zero .parts_of_a_test_broken.py, line 2"
    ):
        import_custom("parts_of_a_test_broken:Any")
    (project / "parts_of_a_test_lacking.py").write_text("import no_such_package_at_all\n")
    with pytest.raises(CustomPartError, match="it needs no_such_package_at_all, which is not installed"):
        import_custom("parts_of_a_test_lacking:Any")


def test_the_search_path_is_as_before(project: Path) -> None:
    before = list(sys.path)
    import_custom("parts_of_a_test:Same")
    assert sys.path == before


def test_images_of_another_type_are_told(project: Path) -> None:
    sets = {"data.dataset": '"parts_of_a_test:float_images"', "data.validation": 0}
    data = hvaedsl.load(SPEC, sets=sets).spec.data
    with pytest.raises(RunError, match="the array has type float64"):
        open_split(data, "train")


def test_splits_of_ones_own_images(project: Path) -> None:
    data = hvaedsl.load(SPEC, custom=CustomParts()).spec.data
    sets = {split: open_split(data, split) for split in ("train", "validation", "test")}
    assert {split: len(images) for split, images in sets.items()} == {"train": 630, "validation": 90, "test": 181}
    assert not set(sets["train"].members) & set(sets["validation"].members)


def test_a_run_from_elsewhere_is_evaluated_sampled_and_resumed(project: Path) -> None:
    program = hvaedsl.load(SPEC, sets=SMALL, custom=CustomParts())
    train(program, RunSettings(out=project / "run", device="cpu", threads=1))
    identity = json.loads((project / "run" / "run.json").read_text())
    assert str(EXAMPLES) in identity["part_folders"]
    for name in ("custom_cell", "custom_likelihood", "custom_dataset"):
        del sys.modules[name]
    finished = FinishedRun.open(project / "run", "cpu")
    assert finished.evaluate("test")["raw"].images == 181
    assert finished.sample("raw", 4, 1.0, 0).shape == (4, 8, 8, 1)
    command = ["train", str(project / "run" / "spec.hvae"), "--resume", "--out", str(project / "run")]
    result = CliRunner().invoke(app, [*command, "--set", "train.steps=6", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert json.loads((project / "run" / "summary.json").read_text())["steps"] == 6


def test_weights_of_custom_parts_are_written_and_read(project: Path) -> None:
    spec = project / "own.hvae"
    spec.write_text(
        'hvae 1\nextends "digits.hvae"\n'
        'model { width = 8  cell = "parts_of_a_test:Same"  encoder = 8x1  decoder = 8x1 }\n'
        "train { steps = 1  batch_size = 4 }\n"
    )
    train(hvaedsl.load(spec, custom=CustomParts()), RunSettings(out=project / "run", device="cpu", threads=1))
    file = project / "weights.safetensors"
    for command in (
        ["convert", str(project / "run"), "--to", str(file), "--names", "ours", "--weights", "raw"],
        ["convert", str(spec), "--from", str(file), "--out", str(project / "again")],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, (result.output, result.exception)
    before, after = (FinishedRun.open(project / name, "cpu") for name in ("run", "again"))
    assert all(torch.equal(value, after.checkpoint.model[name]) for name, value in before.checkpoint.model.items())
    assert str(project) in json.loads((project / "again" / "run.json").read_text())["part_folders"]


def test_what_needs_more_than_the_protocol_says_so(project: Path) -> None:
    sets = {"model.width": 8, "model.encoder": "8x1", "model.decoder": "8x2", "train.steps": 1}
    train(
        digits("parts_of_a_test:WithoutParameters", **sets),
        RunSettings(out=project / "run", device="cpu", threads=1),
    )
    finished = FinishedRun.open(project / "run", "cpu")
    assert all(layer.active_units is None for layer in kl.measure(Subject(finished), [0, 1]))
    inputs = run_inputs(finished, 0)
    assert inputs.models == {}
    assert "Theorem 5 is omitted" in inputs.source


@pytest.mark.long
def test_two_processes_find_the_parts(project: Path) -> None:
    out = project / "two"
    sets = [f"--set={key}={value}" for key, value in SMALL.items()]
    result = CliRunner().invoke(app, ["train", str(SPEC), "--gpus", "2", "--device", "cpu", "--out", str(out), *sets])
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads((out / "summary.json").read_text())["processes"] == 2
