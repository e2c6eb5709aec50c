"""`data.values = real`: its likelihood, what the spec then has no keys for, and what does not go with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge_text import bridge_text
from hvaedsl.ir.spec_text import flat_values, spec_text
from tests.elaborate.written import errors
from tests.elaborate.written import found as findings

INDEPENDENT = "gaussian(channels = independent)"


def program(channels: int, likelihood: str = "", dataset: str = "npy") -> hvaedsl.Program:
    model = "width = 16  latent = 4" + (f"  likelihood = {likelihood}" if likelihood else "")
    return hvaedsl.loads(
        spec(data=f"dataset = {dataset}  channels = {channels}  resolution = 8  values = real", model=model)
    )


@pytest.mark.parametrize(
    ("channels", "written", "becomes", "outputs"),
    [
        (1, "", "gaussian", 2),
        (1, INDEPENDENT, "gaussian", 2),
        (3, "", "gaussian", 9),
        (3, "gaussian()", "gaussian", 9),
        (3, INDEPENDENT, INDEPENDENT, 6),
        (2, "gaussian", INDEPENDENT, 4),
        (64, "", INDEPENDENT, 128),
    ],
)
def test_the_likelihood_of_channels(channels: int, written: str, becomes: str, outputs: int) -> None:
    made = program(channels, written)
    assert f" = {becomes}\n" in spec_text(made.spec)
    assert made.bridge.head.outputs == outputs
    module = made.module()
    assert made.cost.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert hvaedsl.loads(spec_text(made.spec)).spec.model == made.spec.model
    assert f"likelihood={becomes.replace(' ', '')}" in bridge_text(made.bridge)


def test_keys_of_levels_are_not_in_the_resolved_spec() -> None:
    made = program(1)
    assert not {"data.levels", "data.binarize"} & flat_values(made.spec).keys()
    assert flat_values(made.spec)["data.values"] == "real"
    assert "levels" not in spec_text(made.spec)
    assert hvaedsl.loads(spec_text(made.spec)).spec.data == made.spec.data


def test_the_parameters_have_no_published_names() -> None:
    model = program(3).module()
    with pytest.raises(ValueError, match="under its own likelihoods, not for vdvae under gaussian"):
        model.vdvae_state_dict()


MODEL = "width = 16  latent = 4"
REAL = "dataset = npy  channels = 1  resolution = 8  values = real"
LEVELS = "dataset = npy  channels = 1  resolution = 8"


@pytest.mark.parametrize(
    ("found", "code", "place"),
    [
        (spec(data=REAL, model=f"{MODEL}  likelihood = bernoulli"), "HV271", "bernoulli"),
        (
            spec(data=REAL, model=f"{MODEL}  likelihood = mixture_of_logistics(5, bits = 5)"),
            "HV271",
            "mixture_of_logistics(5, bits = 5)",
        ),
        (spec(data=LEVELS, model=f"{MODEL}  likelihood = gaussian"), "HV272", "gaussian"),
        (spec(data=f"{LEVELS}  levels = 16", model=f"{MODEL}  likelihood = {INDEPENDENT}"), "HV272", INDEPENDENT),
        (spec(data=f"{LEVELS}  values = levels", model=f"{MODEL}  likelihood = gaussian"), "HV272", "gaussian"),
        (spec(model=f"{MODEL}  likelihood = gaussian"), "HV272", "gaussian"),
        (spec(data=f"{REAL}  levels = 256"), "HV273", "256"),
        (spec(data=f"{REAL}  binarize = threshold"), "HV273", "threshold"),
        (spec(data="dataset = cifar10  values = real", encoder="32d32, 1", decoder="1, 32m1"), "HV274", "real"),
        (spec(data="dataset = digits  values = real", model=f"{MODEL}  likelihood = gaussian"), "HV274", "real"),
        (spec(data=REAL.replace("npy", "folder").replace("channels = 1", "channels = 5")), "HV222", "5"),
        (spec(data=REAL.replace("npy", '"hf:ada/scans"')), "HV274", "real"),
        (spec(data=REAL.replace("npy", '"hf:ada/scans"'), model=f"{MODEL}  likelihood = gaussian"), "HV274", "real"),
        (spec(data=f"{REAL}  fit = crop"), "HV244", "crop"),
        (spec(data=f"{LEVELS}  values = floats"), "HV206", "floats"),
        (spec(data=REAL, model=f"{MODEL}  likelihood = gaussian(10)"), "HV275", "gaussian(10)"),
        (spec(data=REAL, model=f"{MODEL}  likelihood = gaussian(bits = 5)"), "HV224", "bits"),
        (spec(data=REAL, model=f"{MODEL}  likelihood = gaussian(channels = coupled)"), "HV204", "coupled"),
    ],
)
def test_what_does_not_go_together(found: str, code: str, place: str) -> None:
    assert errors(found) == [(code, place)]
    ways = [way for item in findings(found) for way in item.ways_out]
    for way in ways:
        assert code not in [code for code, _ in errors(edited(found, way.edits))]
        assert not errors(edited(found, way.edits))
    assert ways or code in ("HV204", "HV206")


def test_binarize_none_says_nothing_new() -> None:
    assert not errors(spec(data=f"{REAL}  binarize = none"))


@pytest.mark.parametrize("gives", ["", 'gives = "mass"', 'gives = "density"'])
def test_a_custom_likelihood_of_real_values_gives_a_density(
    gives: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"own_{gives[9:-1] or 'silent'}"
    text = f"""
import torch
from hvaedsl.nn.likelihoods.gaussian import GaussianDensity
class Own(torch.nn.Module):
    {gives or "pass"}
    def __init__(self, width, channels, levels):
        super().__init__()
        assert levels == 0
        self.density = GaussianDensity(width, channels=channels)
    def nll_nats_per_dim(self, state, target):
        return self.density.nll_nats_per_dim(state, target)
    def mean(self, state):
        return self.density.mean(state)
"""
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    written = spec(data=REAL, model=f'{MODEL}  likelihood = "{name}:Own"')
    if "density" in gives:
        assert hvaedsl.loads(written, custom=hvaedsl.CustomParts()).module().likelihood.gives == "density"
        return
    stated = "it gives a mass" if gives else "it does not say what it gives"
    for load in (lambda: hvaedsl.loads(written, custom=hvaedsl.CustomParts()), lambda: hvaedsl.loads(written).module()):
        with pytest.raises(hvaedsl.SpecError, match=f"`data.values` is `real`, and {stated}"):
            load()
