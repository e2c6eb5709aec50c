"""The names of parameters follow the position of a block; labels do not count."""

from __future__ import annotations

import pytest
import torch

import hvaedsl
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.earlier_names import named_by_position, names_by_label

ENCODER = "8x1, 8r2@fine, 8x1, 8d2@fine, 4r2@deep"
DECODER = "4x1, 4r2@deep, 4x1, 8m4@top, 8x1, 8r2@top, 8x1"


def program(encoder: str = ENCODER, decoder: str = DECODER) -> hvaedsl.Program:
    return hvaedsl.load("digits", sets={"model.encoder": encoder, "model.decoder": decoder, "model.width": 8})


def test_sets_of_weights_are_counted_by_resolution_with_or_without_a_label() -> None:
    found = dict.fromkeys(".".join(name.split(".")[:3]) for name in parameter_shapes(program().bridge))
    assert [name for name in found if ".blocks." in name] == [
        *(f"encoder.blocks.{block}" for block in ("r8_0", "r8_1", "r8_2", "r4_0")),
        *(f"decoder.blocks.{block}" for block in ("r4_0", "r4_1", "r4_2", "r8_0", "r8_1", "r8_2")),
    ]


def test_the_module_has_these_names() -> None:
    torch.manual_seed(0)
    parameters = dict(program().module().named_parameters())
    assert {name: tuple(parameter.shape) for name, parameter in parameters.items()} == parameter_shapes(
        program().bridge
    )
    assert set(program().without_gradient) <= set(parameters)


@pytest.mark.parametrize("fine", ["a", "shared", "r8_0"])
def test_a_renamed_label_changes_no_name_and_no_initial_weight(fine: str) -> None:
    renamed = program(ENCODER.replace("fine", fine), DECODER.replace("top", fine))
    states = []
    for found in (program(), renamed):
        torch.manual_seed(7)
        states.append(found.module().state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_label_with_one_application_is_as_none() -> None:
    one = parameter_shapes(program("8x1@a, 8d2, 4x1", "4x1, 8m4@b, 8x1@c").bridge)
    assert one == parameter_shapes(program("8x1, 8d2, 4x1", "4x1, 8m4, 8x1").bridge)


def test_earlier_names_had_the_label_and_lead_back() -> None:
    bridge = program().bridge
    earlier = names_by_label(bridge)
    assert len(set(earlier.values())) == len(earlier)
    assert earlier["encoder.blocks.r8_1.c1.bias"] == "encoder.blocks.shared_fine.c1.bias"
    assert earlier["encoder.blocks.r8_2.c1.bias"] == "encoder.blocks.r8_1.c1.bias"
    assert earlier["decoder.blocks.r8_0.resnet.c1.bias"] == "decoder.blocks.shared_top.resnet.c1.bias"
    assert earlier["decoder.blocks.r8_1.resnet.c1.bias"] == "decoder.blocks.r8_0.resnet.c1.bias"
    assert earlier["decoder.states.r8"] == "decoder.states.r8"
    assert named_by_position(bridge, {before: now for now, before in earlier.items()}) == {
        name: name for name in earlier
    }


def test_a_block_that_the_bridge_lacks_is_no_other_block() -> None:
    # Now r8_2 is the second block without a label; under the earlier names the spec had none of this number.
    with pytest.raises(KeyError, match=r"encoder\.blocks\.r8_2"):
        named_by_position(program().bridge, {"encoder.blocks.r8_2.c1.bias": 0})


def test_without_labels_the_names_are_the_same() -> None:
    names = names_by_label(hvaedsl.load("cifar_ws").bridge)
    assert names == {name: name for name in names}
