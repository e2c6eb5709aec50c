"""Models of images that are not square: sizes of states and noise, counts, the emitted file, and the bridge."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.ir.bridge_text import bridge_json, bridge_text, parse_bridge
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec_text import spec_text
from hvaedsl.nn.fourier import features_channels

MODEL = "cell = {CELL}  pooling = {POOLING}  fourier {{ at = {AT} }}  normalize_state {{ norm = {NORM} }}"
KINDS = [
    ("vdvae", "average", "none", "none"),
    ("nvae", "strided", "block, branches", "l2"),
    ("non_residual", "wavelet(db2)", "image", "none"),
    ("vdvae", "wavelet(haar)", "sample", "rms"),
]


def program(model: str = "", resolution: str = "(12, 20)", bias_up_to: int = 6) -> hvaedsl.Program:
    return hvaedsl.loads(f"""hvae 1
data {{ dataset = npy  channels = 1  resolution = {resolution} }}
model {{
  width = 8  latent = {{6: 0, other: 3}}  bias_up_to = {bias_up_to}  {model}
  encoder = 12x1, 12d2, 6x1, 6d2, 3x1
  decoder = 3x2, 6m3, 12m6, 12r2
}}
""")


@pytest.mark.parametrize("resolution", ["(12, 20)", "(12, 4)", "(12, 12)"])
@pytest.mark.parametrize(("cell", "pooling", "at", "norm"), KINDS)
def test_the_model_and_its_emitted_file_agree(resolution: str, cell: str, pooling: str, at: str, norm: str) -> None:
    kind = MODEL.format(CELL=f"{{6: vdvae, other: {cell}}}", POOLING=pooling, AT=at, NORM=norm)
    made = program(kind, resolution)
    model, data = made.module().double(), made.spec.data
    assert made.cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    channels = features_channels(1, model.image_features)
    x, target = torch.randn(2, *data.shape[:2], channels).double(), torch.rand(2, *data.shape).double() * 2 - 1
    shapes: dict[int, tuple[int, ...]] = {}

    def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
        shapes[layer] = shape
        return torch.randn(shape, generator=torch.Generator().manual_seed(layer), dtype=torch.float64)

    out = model(x, target, noise)
    height, width = data.shape[:2]
    expected = [(2, 3, at, at * width // height) for at in (3, 3, 12, 12, 12)]
    assert list(shapes.values()) == expected
    assert made.cost.latents == sum(3 * shape[2] * shape[3] for shape in expected)
    assert model.sample(2).shape == (2, height, width, 1)
    assert torch.equal(model.decode(model.latents(x, noise)), model.decode(model.latents(x, noise)))

    names: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(made.python_source(), "emitted.py", "exec"), names)
    emitted = names[type(model).__name__]().double()
    emitted.load_state_dict(model.state_dict())
    for ours, theirs in zip(out, emitted(x, target, noise), strict=True):
        assert torch.equal(ours, theirs)


def test_another_size_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"images are \[B, 12, 20, 1\], not \[2, 20, 12, 1\]"):
        program().module()(torch.zeros(2, 20, 12, 1), torch.zeros(2, 20, 12, 1))


def test_a_square_is_one_number_in_every_form() -> None:
    square, also = program(resolution="12"), program(resolution="(12, 12)")
    assert also.spec == square.spec
    assert also.spec.data.resolution == 12
    assert also.bridge == square.bridge
    assert "columns" not in bridge_text(also.bridge) + str(bridge_json(also.bridge))


@pytest.mark.parametrize("written", ["(12, 20)", "12, 20", "(2*6, 4*(2 + 3))"])
def test_a_rectangle_in_every_form(written: str) -> None:
    made = program(resolution=written)
    assert made.spec.data.resolution == ImageSize(12, 20)
    assert "resolution = (12, 20)\n" in spec_text(made.spec)
    text = bridge_text(made.bridge)
    assert parse_bridge(text) == made.bridge
    assert text.startswith("bridge image_resolution=12 image_channels=1 image_columns=20\n")
    assert "mix_in resolution=12 source=6 channels=8 source_channels=8 columns=20\n" in text
    assert bridge_json(made.bridge)["image_columns"] == 20
    assert made.bridge != program(resolution="(12, 4)").bridge


@pytest.mark.parametrize(
    ("resolution", "skips", "found"),
    [
        ("(12, 10)", "all", ["HV323: images of 12x10 have no whole width at height 3"]),
        ("(12, 7)", "all", ["HV323: images of 12x7 have no whole width at height 6 and 3"]),
        ("(12, 4)", "all", []),
    ],
)
def test_every_height_needs_a_whole_width(resolution: str, skips: str, found: list[str]) -> None:
    try:
        program(f"skips = {skips}", resolution)
        errors = []
    except hvaedsl.SpecError as error:
        errors = [f"{item.code}: {item.message}" for item in error.diagnostics]
    assert errors == found
