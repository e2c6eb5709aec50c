"""`model.block`: the attention block in a compiled model, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import hvaedsl
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.ir.bridge_text import bridge_text, parse_bridge
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.ir.residual_blocks import attention_heads
from hvaedsl.ir.spec_text import spec_text
from hvaedsl.nn.attention import AttentionBlock
from tests.joint_weights import joint_bytes
from tests.properties.memory_models import Measurement

SPEC = """hvae 1
data { dataset = npy  channels = 1  resolution = 8 }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
MAP = "{4: attention, other: residual}"


def loaded(block: str = MAP, **sets: object) -> hvaedsl.Program:
    return hvaedsl.loads(SPEC, sets={"model.block": block, **sets})


def codes(block: str, **sets: object) -> list[str]:
    with pytest.raises(hvaedsl.SpecError) as caught:
        loaded(block, **sets)
    return [item.code for item in caught.value.diagnostics]


@pytest.mark.parametrize("cell", ["vdvae", "nvae", "non_residual", "euler_maruyama"])
def test_it_is_in_both_stacks_and_counted_exactly(cell: str) -> None:
    program = loaded(**{"model.cell": cell, "model.latent": "16" if cell == "euler_maruyama" else "4"})
    model = program.module()
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes == parameter_shapes(program.bridge)
    assert isinstance(model.encoder.blocks["r4_0"], AttentionBlock)
    assert not isinstance(model.encoder.blocks["r8_0"], AttentionBlock)
    assert ("decoder.blocks.r4_0.resnet.qkv.weight" in shapes) == (cell != "euler_maruyama")

    x = torch.zeros(2, 8, 8, 1)
    with FlopCounterMode(display=False) as counter:
        model(x, x)
    assert counter.get_total_flops() == 2 * program.cost.flops_per_image


@pytest.mark.parametrize(("width", "heads"), [(1, 1), (192, 3), (200, 2)])
def test_the_memory_of_several_heads(width: int, heads: int) -> None:
    program = loaded("attention", **{"model.width": width})
    assert attention_heads(width) == heads
    assert Measurement(program, 2, "float32", None).kept_bytes == program.cost.activation_bytes(2) + joint_bytes(
        program
    )
    small, large = (Measurement(program, batch, "bfloat16", None).kept_bytes for batch in (1, 3))
    assert large - small == program.cost.activation_bytes(2, "bfloat16")


@pytest.mark.parametrize(
    ("block", "heads"),
    [
        ("attention(heads = 4)", {8: 4, 4: 4}),
        ("attention(heads=16)", {8: 16, 4: 16}),
        ("{4: attention(heads = 8), other: attention}", {8: 1, 4: 8}),
        ("{8: attention(heads = 2), other: residual}", {8: 2}),
        ("attention(heads = $n)", {8: 2, 4: 2}),
        ("attention(heads = 4*$n)", {8: 8, 4: 8}),
    ],
)
def test_a_number_of_heads(block: str, heads: dict[int, int]) -> None:
    program = hvaedsl.loads(SPEC.replace("data {", "let n = 2\ndata {"), sets={"model.block": block})
    model = program.module()
    for blocks in (model.encoder.blocks, model.decoder.blocks):
        for name, made in blocks.items():
            found = made if blocks is model.encoder.blocks else made.resnet
            resolution = int(name[1:].partition("_")[0])
            assert getattr(found, "heads", None) == heads.get(resolution)
    assert {name: tuple(value.shape) for name, value in model.named_parameters()} == parameter_shapes(program.bridge)
    assert program.cost.parameters == sum(value.numel() for value in model.parameters())
    assert Measurement(program, 2, "float32", None).kept_bytes == program.cost.activation_bytes(2) + joint_bytes(
        program
    )

    # The text of the spec and of the bridge, and the emitted file, give the same model.
    assert hvaedsl.loads(spec_text(program.spec)).spec.model == program.spec.model
    assert parse_bridge(bridge_text(program.bridge)) == program.bridge
    scope: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(program.python_source(), "emitted", "exec"), scope)
    emitted = scope[type(model).__name__]()
    for part in (model, emitted):
        for name, weight in part.named_parameters():
            if name.endswith(".out.weight"):  # it starts at zero
                torch.nn.init.constant_(weight, 0.1)
    emitted.load_state_dict(model.state_dict())
    x = torch.rand(2, 8, 8, 1) * 2 - 1
    noise = {layer: torch.randn(2, 4, 8 if layer else 4, 8 if layer else 4) for layer in range(4)}
    losses = [each(x, x, lambda layer, _: noise[layer]).loss_nats_per_dim for each in (model, emitted)]
    assert torch.equal(*losses)


def test_the_default_heads_are_the_same_model_when_they_are_written() -> None:
    """Names of weights and numbers of a spec without heads are those of before."""
    plain, written = (loaded(block).module() for block in ("attention", "attention(heads = 1)"))
    assert list(plain.state_dict()) == list(written.state_dict())
    written.load_state_dict(plain.state_dict())
    for model in (plain, written):
        for made in model.modules():
            if isinstance(made, AttentionBlock):
                torch.nn.init.constant_(made.out.weight, 0.1)
    x = torch.rand(2, 8, 8, 1) * 2 - 1
    noise = {layer: torch.randn(2, 4, 8 if layer else 4, 8 if layer else 4) for layer in range(4)}
    losses = [each(x, x, lambda layer, _: noise[layer]).loss_nats_per_dim for each in (plain, written)]
    assert torch.equal(*losses)


@pytest.mark.parametrize(
    ("block", "sets", "title", "help_text", "ways"),
    [
        (
            "attention(heads = 3)",
            {},
            "`heads` is 3, which does not divide the 16 channels at 8 and 4",
            "make it 1, 2, 4, 8 or 16",
            ["write `2`", "write `4`"],
        ),
        (
            "{8: residual, 4: attention(heads = 16)}",
            {"model.widths": "{4: 24}"},
            "`heads` is 16, which does not divide the 24 channels at 4",
            "make it 1, 2, 3, 4, 6, 8, 12 or 24",
            ["write `12`", "write `8`"],
        ),
        (
            "attention(heads = 16)",
            {"model.widths": "{4: 24}"},
            "`heads` is 16, which does not divide the 24 channels at 4",
            "make it 1, 2, 4 or 8",
            ["write `8`", "write `4`"],
        ),
    ],
)
def test_heads_divide_the_channels(
    block: str, sets: dict[str, object], title: str, help_text: str, ways: list[str]
) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        loaded(block, **sets)
    (item,) = caught.value.diagnostics
    assert (item.code, item.message, item.help_text) == ("HV324", title, help_text)
    assert item.span.text == str(item.heads)  # type: ignore[attr-defined]  # of HV324
    assert [way.title for way in item.ways_out] == ways


def test_heads_of_a_block_that_no_cell_uses_are_checked_in_the_encoder() -> None:
    sets = {"model.cell": "euler_maruyama", "model.latent": 16}
    assert codes("attention(heads = 3)", **sets) == ["HV324"]


@pytest.mark.parametrize(
    ("block", "code", "place"),
    [
        ("attention(4)", "HV276", "attention(4)"),
        ("attention()", "HV276", "attention()"),
        ("attention(2, heads = 4)", "HV276", "attention(2, heads = 4)"),
        ("residual(heads = 2)", "HV276", "residual(heads = 2)"),
        ("{4: attention(2), other: residual}", "HV276", "attention(2)"),
        ("attn(heads = 4)", "HV206", "attn"),
        ("attention(head = 4)", "HV224", "head"),
        ("attention(heads = 2, heads = 4)", "HV216", "heads"),
        ("attention(heads = 0)", "HV205", "0"),
        ("attention(heads = 2.5)", "HV204", "2.5"),
        ("attention(heads = all)", "HV204", "all"),
    ],
)
def test_mistakes_in_the_arguments(block: str, code: str, place: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        loaded(block)
    (item,) = caught.value.diagnostics
    assert (item.code, item.span.text) == (code, place)


def test_a_model_starts_as_the_one_without_attention() -> None:
    model, plain = loaded("attention").module(), loaded("residual").module()
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if name in plain.state_dict()})
    x = torch.rand(2, 8, 8, 1) * 2 - 1
    noise = {layer: torch.randn(2, 4, 8 if layer else 4, 8 if layer else 4) for layer in range(4)}
    losses = [each(x, x, lambda layer, _: noise[layer]).loss_nats_per_dim for each in (model, plain)]
    assert torch.equal(*losses)


def test_the_state_keeps_its_type_under_autocast() -> None:
    block = AttentionBlock(8, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert block(torch.randn(2, 8, 4, 4)).dtype == torch.float32
        assert block(torch.randn(2, 8, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_the_bridge_says_it_only_if_it_is_not_the_default() -> None:
    text = bridge_text(loaded().bridge)
    assert parse_bridge(text) == loaded().bridge
    blocks = {op.block for op in loaded().bridge.operations if isinstance(op, EncoderBlock | TopDownBlock)}
    assert blocks == {"residual", "attention"}
    assert [line.count("block=attention") for line in text.splitlines()].count(1) == 2
    assert "block=residual" not in text
    with pytest.raises(ValueError, match="unknown block"):
        parse_bridge(text.replace("block=attention", "block=attn"))


def test_blocks_with_one_label_have_one_block() -> None:
    sets = {"model.encoder": "8x1@g, 8d2, 4x1@g"}
    assert codes(MAP, **sets) == ["HV403"]
    with pytest.raises(hvaedsl.SpecError) as caught:
        loaded(MAP, **sets)
    (item,) = caught.value.diagnostics
    assert item.span.text == "4x1"
    assert item.help_text == "use another label, or give the blocks the same block"
    assert "block attention at 4" in item.label_text
    assert (
        loaded("attention", **sets).cost.parameters
        < loaded("attention", **{"model.encoder": "8x1, 8d2, 4x1"}).cost.parameters
    )


@pytest.mark.parametrize("block", ["attn", "Attention", "self_attention"])
def test_a_misspelled_block(block: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        loaded(block)
    (item,) = caught.value.diagnostics
    assert (item.code, item.span.text) == ("HV206", block)
    assert "did you mean `attention`?" in item.help_text


def test_what_else_is_wrong() -> None:
    assert codes("{4: attention}") == ["HV230"]
    assert codes('"my_block.py"') == ["HV219"]
    advice = loaded("{16: attention, other: residual}").advice
    assert [item.code for item in advice] == ["HV502"]


def test_advice_where_the_decoder_does_not_use_it() -> None:
    sets = {"model.cell": "{4: nvae, 8: euler_maruyama}", "model.latent": 16}
    (item,) = loaded("attention", **sets).advice
    assert item.code == "HV518"
    assert "at 8: the cell euler_maruyama has no residual step" in item.message
    (item,) = loaded("attention", **{"model.cell": '"my:Cell"'}).advice
    assert "at 4 and 8: the cell my:Cell is custom" in item.message
    assert loaded(MAP, **sets).advice == ()


def test_memory_of_training_follows_from_the_positions() -> None:
    """At a high resolution FLOPs grow with the square of the positions, and memory with the positions."""
    small, large = (
        hvaedsl.loads(
            SPEC,
            sets={
                "data.resolution": size,
                "model.encoder": f"{size}x1",
                "model.decoder": f"{size}x1",
                "model.block": "attention",
            },
        ).cost
        for size in (8, 16)
    )
    assert large.flops_per_image > 5 * small.flops_per_image
    assert 3.9 < large.activation_bytes(1) / small.activation_bytes(1) < 4.1
