"""The published code's state dicts: names, shapes and order, for all five of its configurations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import hvaedsl
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.names import published_parameters

# Each of the published configurations (openai/vdvae, hps.py), and the shipped spec of the same model.
SPEC_OF = {
    "cifar10": "cifar",
    "imagenet32": "imagenet32_oord",
    "imagenet64": "imagenet64",
    "ffhq256": "ffhq256",
    "ffhq1024": "ffhq1024",
}
LISTINGS = Path(__file__).with_name("published")


def listing(config: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((LISTINGS / f"{config}.json").read_text())
    return found


def published_state_dict(config: str) -> dict[str, tuple[int, ...]]:
    """Every name of the published state dict, in its order, and its shape."""
    found: dict[str, tuple[int, ...]] = {}
    for name, entry in listing(config)["state_dict"].items():
        if isinstance(entry, list):
            found[name] = tuple(entry)
            continue
        blocks, _, numbers = name.rpartition(".")
        first, last = map(int, numbers.split("-"))
        for index in range(first, last + 1):
            found |= {f"{blocks}.{index}.{inner}": tuple(shape) for inner, shape in entry.items()}
    return found


def test_every_configuration_has_a_listing_and_a_spec() -> None:
    assert {path.stem for path in LISTINGS.glob("*.json")} == set(SPEC_OF)


@pytest.mark.parametrize("config", SPEC_OF)
def test_the_listing_expands_to_what_the_published_code_printed(config: str) -> None:
    expected = published_state_dict(config)
    lines = "".join(f"{name} {list(shape)}\n" for name, shape in expected.items())
    assert hashlib.sha256(lines.encode()).hexdigest() == listing(config)["sha256_of_lines"]
    assert len(expected) == listing(config)["tensors"]


@pytest.mark.parametrize("config", SPEC_OF)
def test_names_shapes_and_order_are_the_published_ones(config: str) -> None:
    program = hvaedsl.load(SPEC_OF[config])
    shapes = parameter_shapes(program.bridge)
    ours = {name: shapes[own] for name, own in published_parameters(program.bridge).items()}
    assert list(ours.items()) == list(published_state_dict(config).items())
    assert program.cost.parameters == listing(config)["parameters"]


@pytest.mark.parametrize("config", SPEC_OF)
def test_the_published_state_dict_loads_without_a_missing_or_unexpected_key(config: str) -> None:
    with torch.device("meta"):  # shapes without values: 125 million parameters in no memory
        model = hvaedsl.load(SPEC_OF[config]).module()
        state_dict = {name: torch.empty(shape) for name, shape in published_state_dict(config).items()}
    model.load_vdvae_state_dict(state_dict)
    for name in ("encoder.enc_blocks.3.c2.bias", "decoder.gain", "decoder.bias_xs.0"):
        with pytest.raises(ValueError, match=rf"missing key {name}"):
            model.load_vdvae_state_dict({key: value for key, value in state_dict.items() if key != name})
    with pytest.raises(ValueError, match=r"decoder\.dec_blocks\.99"):
        model.load_vdvae_state_dict({**state_dict, "decoder.dec_blocks.99.z_proj.bias": torch.empty(1)})


def test_a_shared_block_has_one_published_name_for_each_application() -> None:
    program = hvaedsl.load("cifar_ws", sets={"model.width": 8})
    found = published_parameters(program.bridge)
    assert len(found) > len(set(found.values())) == len(parameter_shapes(program.bridge))
    blocks = {int(name.split(".")[2]) for name in found if name.startswith("decoder.dec_blocks.")}
    assert blocks == set(range(program.cost.stochastic_depth))


def test_cells_that_were_not_published_have_no_published_names() -> None:
    program = hvaedsl.load("cifar", sets={"model.width": 8, "model.cell": "nvae"})
    assert published_parameters(program.bridge) == {}
