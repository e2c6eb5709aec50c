"""The published code's numbers, through the public Python face alone (float64, relative error 1e-9)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import hvaedsl

VECTORS = sorted(Path(__file__).with_name("vectors").glob("*.json"))
TOLERANCE = 1e-9


def wave(shape: tuple[int, ...], phase: int) -> Tensor:
    k = np.arange(np.prod(shape), dtype=np.float64)
    return torch.from_numpy((np.sqrt(2) * np.sin(12.9898 * k + 78.233 * (phase + 1))).reshape(shape))


def spec_of(config: dict[str, Any]) -> str:
    widths, size = config.get("widths", ""), config["image_size"]
    resolution = size if isinstance(size, int) else f"({size[0]}, {size[1]})"
    return f"""hvae 1
data {{ dataset = npy  channels = 3  resolution = {resolution} }}
model {{
  width = {config["width"]}  latent = {config["latent"]}  bottleneck = {config["bottleneck"]}
  bias_up_to = {config["bias_up_to"]}  likelihood = mixture_of_logistics({config["mixtures"]})
  widths = {{ {widths} }}
  encoder = {config["encoder"]}
  decoder = {config["decoder"]}
}}
"""


def parameter(name: str, shape: tuple[int, ...]) -> Tensor:
    v = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.startswith("decoder.bias_xs."):
        v = v * 0.5
    elif name == "decoder.gain":
        v = 1 + 0.05 * v
    elif len(shape) == 4 and name.endswith(".weight"):
        v = v * 0.5 / np.sqrt(shape[1] * shape[2] * shape[3])
    else:
        v = 0.05 * v
    return torch.from_numpy(v)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text())
    config, expected = vector["config"], vector["expected"]
    program = hvaedsl.loads(spec_of(config))
    assert program.cost.parameters == vector["parameters"]
    assert program.cost.stochastic_depth == vector["stochastic_depth"]

    model = program.module().double()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.vdvae_state_dict().items()}
    assert set(shapes) == set(vector["parameter_names"])
    model.load_vdvae_state_dict({name: parameter(name, shape) for name, shape in shapes.items()})

    batch, shape = config["batch"], program.spec.data.shape
    x = wave((batch, *shape), 100)
    pixels = (127.5 * (wave((batch, *shape), 200) / np.sqrt(2) + 1)).floor().clamp(0, 255)

    def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
        return wave(shape, layer)

    out = model(x, (pixels - 127.5) / 127.5, noise=noise)
    out.loss_nats_per_dim.backward()
    assert out.loss_nats_per_dim.item() == pytest.approx(expected["elbo"], rel=TOLERANCE)
    assert out.distortion_nats_per_dim.mean().item() == pytest.approx(expected["distortion"], rel=TOLERANCE)
    assert out.rate_nats_per_dim.mean().item() == pytest.approx(expected["rate"], rel=TOLERANCE)
    assert out.kl_nats.mean(dim=1).tolist() == pytest.approx(expected["kl_per_layer"], rel=TOLERANCE)

    for resolution, activation in model.encode(x).items():
        found = [activation.mean().item(), activation.std(unbiased=False).item()]
        assert found == pytest.approx(expected["encoder"][str(resolution)], rel=TOLERANCE)
    assert set(map(str, model.encode(x))) == set(expected["encoder"])

    state = model.decode(model.latents(x, noise=noise), noise=noise)
    assert [state.mean().item(), state.std(unbiased=False).item()] == pytest.approx(expected["px_z"], rel=TOLERANCE)
    prior = model.decode_prior(batch, temperature=0.7, noise=noise)
    found = [prior.mean().item(), prior.std(unbiased=False).item()]
    assert found == pytest.approx(expected["prior_px_z_t0.7"], rel=TOLERANCE)

    grads = dict(model.named_parameters())
    norm = torch.sqrt(sum((p.grad.square().sum() for p in grads.values() if p.grad is not None), torch.zeros(())))
    assert norm.item() == pytest.approx(expected["grad_norm"], rel=TOLERANCE)
    ours = {published: name for name, published in zip(grads, model.vdvae_state_dict(), strict=True)}
    for published, value in expected["grad_norm_of"].items():
        grad = grads[ours[published]].grad
        assert grad is not None
        assert grad.norm().item() == pytest.approx(value, rel=TOLERANCE)
